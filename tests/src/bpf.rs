//! `bpf(2)`, for what the library has no function for.

use std::{
    ffi::c_long,
    io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
};

use nix::libc;

/// Calls it with the attributes of a command (`union bpf_attr`, include/uapi/linux/bpf.h, 6.18).
///
/// # Errors
///
/// What the kernel said.
pub(crate) fn call<T>(command: c_long, attributes: &T) -> io::Result<c_long> {
    let size = size_of::<T>();
    let attributes: *const T = attributes;
    // SAFETY: the kernel reads `size` bytes of `attributes`; what they point at is the caller's and
    // outlives the call, and no command that is used here writes any.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for a command that makes a descriptor.
///
/// # Errors
///
/// As [`call`].
pub(crate) fn open<T>(command: c_long, attributes: &T) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(call(command, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, for this process alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
