//! Socket options that have no function in a library.

use std::os::fd::{AsFd, AsRawFd as _};

use nix::{errno::Errno, libc};

/// Sets an option to bytes.
pub(super) fn set(socket: impl AsFd, level: i32, name: i32, value: &[u8]) -> nix::Result<()> {
    let size = libc::socklen_t::try_from(value.len()).unwrap();
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the value is `size` bytes that live until the call returns.
    let done = unsafe { libc::setsockopt(socket, level, name, value.as_ptr().cast(), size) };
    Errno::result(done).map(drop)
}
