//! Packet sockets: frames of one's own making, past everything that looks at sockets.

use std::{
    net::IpAddr,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use enforcer_tests::{
    Netns,
    link::{CLIENT_DEVICE, device_address},
};
use nix::{
    errno::Errno,
    libc,
    net::if_::if_nametoindex,
    sys::socket::{LinkAddr, MsgFlags, sendto},
};

use super::{
    ground::{DATA, Ground, PORT},
    option,
    raw::between,
    ring,
    technique::{Goal, Targets, Technique, Way},
    xdp,
};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
const TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;
/// As what a receiver that takes the first of two tags away has the rest, by its kernel.
const ONE_TAG_TAKEN_AWAY: [u16; 3] = [SERVICE_TAG, TAG, IPV4];
/// For local experiments (IEEE 802, 9.2.4).
const EXPERIMENT: u16 = 0x88b5;
/// What Linux has for the type of a frame that has a length in its place
/// (`ETH_P_802_2` of `include/uapi/linux/if_ether.h`).
const LENGTH_IN_PLACE: u16 = 0x0004;
/// The world's end of the wire and the client's.
pub(super) const FAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Behind the link headers; long enough for no padding, and for no question of ARP.
const BODY: usize = 100;
const LENGTH: u16 = 100;

pub(super) const TECHNIQUES: [Technique; 20] = [
    Technique::now("a packet of a packet socket", Goal::V4, |ground, to| {
        packet(ground, &datagram(to), IPV4)
    }),
    Technique::now("a packet of IPv6 of a packet socket", Goal::V6, |ground, to| {
        packet(ground, &datagram(to), IPV6)
    }),
    Technique::now("a frame", Goal::V4, |ground, to| frame(ground, &plain(to), IPV4)),
    Technique::now("a frame of IPv6", Goal::V6, |ground, to| {
        frame(ground, &ethernet(&[IPV6], &datagram(to)), IPV6)
    }),
    Technique::now("a frame that the socket calls ARP", Goal::V4, |ground, to| {
        frame(ground, &plain(to), ARP)
    }),
    Technique::now("a frame of IPv4 that the socket calls IPv6", Goal::V4, |ground, to| {
        frame(ground, &plain(to), IPV6)
    }),
    Technique::now("a frame that the socket calls nothing", Goal::V4, |ground, to| {
        frame(ground, &plain(to), 0)
    }),
    Technique::now("a frame with a tag", Goal::V4, |ground, to| frame(ground, &tagged(to), TAG)),
    Technique::now(
        "a frame with a tag that the socket does not tell of",
        Goal::V4,
        |ground, to| frame(ground, &tagged(to), IPV4),
    ),
    Technique::now(
        "a frame with two tags",
        Goal::Frame(&ONE_TAG_TAKEN_AWAY, BODY + 4),
        |ground, to| frame(ground, &with_body(&[SERVICE_TAG, 7, TAG, 9, IPV4], to), SERVICE_TAG),
    )
    .alone(),
    Technique::now("a frame that calls its packet ARP", Goal::Frame(&[ARP], BODY), |ground, to| {
        frame(ground, &with_body(&[ARP], to), ARP)
    })
    .alone(),
    Technique::now(
        "a frame of a type that nobody has",
        Goal::Frame(&[EXPERIMENT], BODY),
        |ground, to| frame(ground, &with_body(&[EXPERIMENT], to), EXPERIMENT),
    )
    .alone(),
    Technique::now(
        "a frame of such a type that the socket calls IPv4",
        Goal::Frame(&[EXPERIMENT], BODY + 8),
        |ground, to| frame(ground, &with_body(&[EXPERIMENT, 0, 0, 0, 0], to), IPV4),
    )
    .alone(),
    Technique::now(
        "a frame with a length in place of a type",
        Goal::Frame(&[LENGTH_IN_PLACE], BODY),
        |ground, to| frame(ground, &with_body(&[LENGTH], to), LENGTH_IN_PLACE),
    )
    .alone(),
    Technique::now("a frame of IPv4 that calls itself IPv6", Goal::V4, |ground, to| {
        frame(ground, &ethernet(&[IPV6], &datagram(to)), IPV6)
    })
    .alone(),
    Technique::now("a frame whose packet ends before its ports", Goal::V4, |ground, to| {
        frame(ground, &ethernet(&[IPV4], &between(to).udp(PORT).cut(22).bytes()), IPV4)
    })
    .alone(),
    Technique::now("a frame whose packet says that it is longer", Goal::V4, |ground, to| {
        frame(ground, &ethernet(&[IPV4], &between(to).udp(PORT).total_length(99).bytes()), IPV4)
    })
    .alone(),
    Technique::now("a frame whose packet has too short a header", Goal::V4, |ground, to| {
        frame(ground, &ethernet(&[IPV4], &between(to).header_words(4).udp(PORT).bytes()), IPV4)
    })
    .alone(),
    Technique::now("a frame by a ring (PACKET_TX_RING)", Goal::V4, ring::frame),
    Technique::prepared("a frame of a socket that was there before", Goal::V4, early),
];

/// What no hook of the network sees; sockets that were made so before the start stay so.
pub(super) const PAST_THE_QUEUE: [Technique; 1] =
    [Technique::now("a frame past the queue (PACKET_QDISC_BYPASS)", Goal::V4, past_the_queue)];
pub(super) const BY_XDP: [Technique; 1] =
    [Technique::now("a frame by AF_XDP", Goal::V4, xdp::frame).alone().needing("AF_XDP")];

fn datagram(to: IpAddr) -> Vec<u8> {
    between(to).udp(PORT).payload(DATA).bytes()
}

/// A frame to the other end of the wire; the halves are what is between its addresses and its body.
pub(super) fn ethernet(halves: &[u16], body: &[u8]) -> Vec<u8> {
    let mut frame = [FAR, NEAR].concat();
    frame.extend(halves.iter().flat_map(|half| half.to_be_bytes()));
    frame.extend(body);
    frame
}

pub(super) fn plain(to: IpAddr) -> Vec<u8> {
    ethernet(&[IPV4], &datagram(to))
}

fn tagged(to: IpAddr) -> Vec<u8> {
    ethernet(&[TAG, 7, IPV4], &datagram(to))
}

/// With a packet to an address, of whose type the frame may say something else.
fn with_body(halves: &[u16], to: IpAddr) -> Vec<u8> {
    let mut body = datagram(to);
    body.resize(BODY, 0);
    ethernet(halves, &body)
}

pub(super) fn packet_socket(ground: &Ground<'_>, kind: i32) -> anyhow::Result<OwnedFd> {
    ground.socket(libc::AF_PACKET, kind, 0)
}

/// The kernel makes the link header.
fn packet(ground: &Ground<'_>, packet: &[u8], called: u16) -> anyhow::Result<()> {
    send_by(ground, &packet_socket(ground, libc::SOCK_DGRAM)?, packet, called)
}

/// The link header is in the frame already.
fn frame(ground: &Ground<'_>, frame: &[u8], called: u16) -> anyhow::Result<()> {
    send_by(ground, &packet_socket(ground, libc::SOCK_RAW)?, frame, called)
}

fn send_by(
    ground: &Ground<'_>,
    socket: impl AsFd,
    bytes: &[u8],
    called: u16,
) -> anyhow::Result<()> {
    send_on(socket, &device(ground, CLIENT_DEVICE, called)?, bytes)
}

pub(super) fn send_on(socket: impl AsFd, device: &LinkAddr, bytes: &[u8]) -> anyhow::Result<()> {
    sendto(socket.as_fd().as_raw_fd(), bytes, device, MsgFlags::empty())
        .map(drop)
        .context("send a frame")
}

/// A device of the client as packet sockets name it, and what the packet is called.
pub(super) fn device(ground: &Ground<'_>, name: &str, called: u16) -> anyhow::Result<LinkAddr> {
    device_in(&ground.rig.client, name, called)
}

/// As [`device`], in a namespace.
pub(super) fn device_in(namespace: &Netns, name: &str, called: u16) -> anyhow::Result<LinkAddr> {
    let index = namespace.run(|| Ok(if_nametoindex(name)?))?;
    device_address(index, called, FAR)
}

fn early<'g>(ground: &'g Ground<'_>, _: Targets) -> anyhow::Result<Way<'g>> {
    let socket = packet_socket(ground, libc::SOCK_RAW)?;
    Ok(Box::new(move |to| send_by(ground, &socket, &plain(to), IPV4)))
}

/// What is refused the option is sent without it.
fn past_the_queue(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = packet_socket(ground, libc::SOCK_RAW)?;
    let one = 1i32.to_ne_bytes();
    match option::set(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &one) {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(error) => return Err(error).context("leave the queue out"),
    }
    send_by(ground, &socket, &plain(to), IPV4)
}
