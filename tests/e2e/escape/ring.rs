//! A frame by the ring of a packet socket, which takes another path in the kernel than `sendto`.

use std::{net::IpAddr, os::fd::AsRawFd as _};

use anyhow::Context as _;
use enforcer_tests::link::CLIENT_DEVICE;
use nix::{
    libc,
    sys::socket::{MsgFlags, sendto},
};

use super::{
    frames::{IPV4, device, packet_socket, plain},
    ground::Ground,
    memory::Memory,
    option,
};

/// A page, and two frames in it; of the second version of the header
/// (`include/uapi/linux/if_packet.h`).
const BLOCK_BYTES: u32 = 4_096;
const FRAME_BYTES: u32 = 2_048;
const VERSION_2: i32 = 1;
/// Offsets in a frame of the ring: state, length, and what is sent.
const STATE: usize = 0;
const LENGTH: usize = 4;
const BODY: usize = 32;

pub(super) fn frame(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = packet_socket(ground, libc::SOCK_RAW)?;
    let set = |name, value: &[u8]| option::set(&socket, libc::SOL_PACKET, name, value);
    set(libc::PACKET_VERSION, &VERSION_2.to_ne_bytes()).context("choose a version")?;
    let request = [BLOCK_BYTES, 1, FRAME_BYTES, BLOCK_BYTES / FRAME_BYTES].map(u32::to_ne_bytes);
    set(libc::PACKET_TX_RING, request.as_flattened()).context("make a ring")?;
    let ring = Memory::of(&socket, BLOCK_BYTES as usize, 0)?;
    let frame = plain(to);
    ring.put(BODY, &frame);
    ring.set(LENGTH, u32::try_from(frame.len())?);
    ring.set(STATE, libc::TP_STATUS_SEND_REQUEST);
    let address = device(ground, CLIENT_DEVICE, IPV4)?;
    sendto(socket.as_raw_fd(), &[], &address, MsgFlags::empty())
        .map(drop)
        .context("send what is in a ring")
}
