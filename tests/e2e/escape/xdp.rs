//! A frame by `AF_XDP` in copy mode: it goes to the device and past every hook in front of it
//! (`Documentation/networking/af_xdp.rst`).

use std::{net::IpAddr, os::fd::AsRawFd as _};

use anyhow::Context as _;
use enforcer_tests::link::CLIENT_DEVICE;
use nix::{errno::Errno, libc, net::if_::if_nametoindex};

use super::{frames::plain, ground::Ground, memory::Memory, option};

const CHUNK_BYTES: u32 = 2_048;
const CHUNKS: u32 = 2;
/// Entries of each ring; a power of two.
const ENTRIES: u32 = 2;
const PAGE_BYTES: usize = 4_096;

pub(super) fn frame(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(libc::AF_XDP, libc::SOCK_RAW, 0)?;
    let frame = plain(to);
    let memory = Memory::new((CHUNK_BYTES * CHUNKS) as usize)?;
    memory.put(0, &frame);
    let mut area = memory.address().to_ne_bytes().to_vec();
    area.extend(u64::from(CHUNK_BYTES * CHUNKS).to_ne_bytes());
    area.extend([CHUNK_BYTES, 0, 0, 0].map(u32::to_ne_bytes).as_flattened());
    let set = |name, value: &[u8]| {
        option::set(&socket, libc::SOL_XDP, name, value).context("set up AF_XDP")
    };
    // 5.10 to 6.10 take the shorter form of the area; later ones fill it up.
    set(libc::XDP_UMEM_REG, &area)?;
    for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_TX_RING] {
        set(ring, &ENTRIES.to_ne_bytes())?;
    }
    let offsets = offsets(&socket)?;
    let ring = Memory::of(&socket, PAGE_BYTES, libc::XDP_PGOFF_TX_RING)?;
    bind(ground, &socket)?;
    let length = u32::try_from(frame.len())?;
    ring.put(
        usize::try_from(offsets.desc)?,
        [0, 0, length, 0].map(u32::to_ne_bytes).as_flattened(),
    );
    ring.set(usize::try_from(offsets.producer)?, 1);
    // SAFETY: there is nothing to read: what is sent is in the ring.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            std::ptr::null(),
            0,
            libc::MSG_DONTWAIT,
            std::ptr::null(),
            0,
        )
    };
    Errno::result(sent).map(drop).context("send what is in a ring")
}

/// Where what is of the ring of frames to be sent.
fn offsets(socket: &std::os::fd::OwnedFd) -> anyhow::Result<libc::xdp_ring_offset> {
    // SAFETY: numbers, for which zeroes are valid.
    let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of_val(&offsets))?;
    // SAFETY: the kernel writes at most `size` bytes of numbers.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_MMAP_OFFSETS,
            (&raw mut offsets).cast(),
            &raw mut size,
        )
    };
    Errno::result(done).context("ask for a ring's offsets")?;
    Ok(offsets.tx)
}

fn bind(ground: &Ground<'_>, socket: &std::os::fd::OwnedFd) -> anyhow::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: u16::try_from(libc::AF_XDP)?,
        sxdp_flags: libc::XDP_COPY,
        sxdp_ifindex: ground.rig.client.run(|| Ok(if_nametoindex(CLIENT_DEVICE)?))?,
        sxdp_queue_id: 0,
        sxdp_shared_umem_fd: 0,
    };
    let size = libc::socklen_t::try_from(size_of_val(&address))?;
    // SAFETY: the address is `size` bytes that live until the call returns.
    let done = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
    Errno::result(done).map(drop).context("bind AF_XDP")
}
