//! A link of a kind that the library makes and does not hand out, so that it could not be pinned.
#![expect(unsafe_code, reason = "two calls of bpf(2) that the library has no function for")]

use std::{
    ffi::{CString, c_long},
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use nix::libc;

/// Commands of `bpf(2)` and the attach type (include/uapi/linux/bpf.h, 6.18).
const BPF_OBJ_PIN: c_long = 6;
const BPF_LINK_CREATE: c_long = 28;
const BPF_CGROUP_SETSOCKOPT: u32 = 22;

/// `link_create` of `union bpf_attr`.
#[repr(C)]
struct LinkCreate {
    program: RawFd,
    target: RawFd,
    attach_type: u32,
    flags: u32,
}

/// What pins an object in `union bpf_attr`.
#[repr(C)]
struct ObjectPin {
    path: u64,
    object: RawFd,
    flags: u32,
}

/// Attaches a program for `setsockopt` to a cgroup by a link, and pins the link.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn attach_setsockopt(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    pin: &Path,
) -> io::Result<()> {
    let create = LinkCreate {
        program: program.as_raw_fd(),
        target: cgroup.as_raw_fd(),
        attach_type: BPF_CGROUP_SETSOCKOPT,
        flags: 0,
    };
    let number = bpf(BPF_LINK_CREATE, &create)?;
    let number = RawFd::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
    let link = unsafe { OwnedFd::from_raw_fd(number) };
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let pin = ObjectPin { path: path.as_ptr() as u64, object: link.as_raw_fd(), flags: 0 };
    bpf(BPF_OBJ_PIN, &pin).map(drop)
}

fn bpf<T>(command: c_long, attributes: &T) -> io::Result<c_long> {
    let attributes: *const T = attributes;
    // SAFETY: attributes of that command, and their size; what they point at outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
