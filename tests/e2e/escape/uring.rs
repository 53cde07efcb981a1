//! A datagram by `io_uring(7)`: the kernel sends on behalf of a process that makes no call of a
//! socket.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use anyhow::Context as _;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{SockaddrLike as _, SockaddrStorage},
};

use super::{
    ground::{DATA, Ground, PORT, family_of},
    memory::Memory,
};

/// Sizes and offsets of `struct io_uring_params`, `io_uring_sqe` and `io_uring_cqe`, in words and
/// bytes (`include/uapi/linux/io_uring.h`).
const PARAMETERS_WORDS: usize = 30;
const TAIL_WORD: usize = 11;
const ARRAY_WORD: usize = 16;
const COMPLETIONS_WORD: usize = 25;
const ENTRY_BYTES: usize = 64;
const RESULT_AT: usize = 8;
const OP_SENDMSG: u8 = 9;
const ENTER_GETEVENTS: u32 = 1;
/// Both rings are in it since 5.4.
const RINGS: i64 = 0;
const RINGS_BYTES: usize = 4_096;
const ENTRIES: i64 = 0x1000_0000;

pub(super) fn datagram(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    let mut address = SockaddrStorage::from(SocketAddr::new(to, PORT));
    let mut part = libc::iovec { iov_base: DATA.as_ptr().cast_mut().cast(), iov_len: DATA.len() };
    // SAFETY: zeroes are a valid header: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = ptr::from_mut(&mut address).cast();
    message.msg_namelen = address.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let mut entry = [0u8; ENTRY_BYTES];
    entry[0] = OP_SENDMSG;
    entry[4..8].copy_from_slice(&socket.as_raw_fd().to_ne_bytes());
    entry[16..24].copy_from_slice(&(&raw const message as u64).to_ne_bytes());
    entry[24..28].copy_from_slice(&1u32.to_ne_bytes());
    let sent = submit(&entry)?;
    if sent < 0 {
        return Err(Errno::from_raw(-sent)).context("send by a ring");
    }
    Ok(())
}

/// Has one entry done, and gives its result.
fn submit(entry: &[u8; ENTRY_BYTES]) -> anyhow::Result<i32> {
    let mut parameters = [0u32; PARAMETERS_WORDS];
    // SAFETY: the parameters are as large as the kernel takes them to be.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    let ring = i32::try_from(Errno::result(ring).context("make a ring")?)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else has it.
    let ring = unsafe { OwnedFd::from_raw_fd(ring) };
    let rings = Memory::of(&ring, RINGS_BYTES, RINGS)?;
    let entries = Memory::of(&ring, ENTRY_BYTES, ENTRIES)?;
    let at = |word: usize| parameters[word] as usize;
    entries.put(0, entry);
    rings.set(at(ARRAY_WORD), 0);
    rings.set(at(TAIL_WORD), 1);
    let (ring, nothing) = (ring.as_raw_fd(), ptr::null::<u8>());
    // SAFETY: what the entry points to lives until its result is there, which is waited for.
    let done =
        unsafe { libc::syscall(libc::SYS_io_uring_enter, ring, 1, 1, ENTER_GETEVENTS, nothing, 0) };
    Errno::result(done).context("enter a ring")?;
    Ok(rings.get(at(COMPLETIONS_WORD) + RESULT_AT).cast_signed())
}
