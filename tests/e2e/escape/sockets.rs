//! Ordinary sockets: whatever a program without any privilege can open.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use nix::{
    libc,
    sys::socket::{MsgFlags, setsockopt, sockopt},
};

use super::{
    ground::{ALLOWED_V4, DATA, Ground, PORT, begin, family_of, send, send_with},
    option,
    technique::{Goal, Technique},
};
use crate::{segment, wire};

const SOCK_DCCP: i32 = 6;
const IPPROTO_DCCP: i32 = 33;
const SOL_DCCP: i32 = 269;
const DCCP_SOCKOPT_SERVICE: i32 = 2;
const IPPROTO_UDPLITE: i32 = 136;
/// More than a packet holds.
const LARGE: [u8; 4_000] = [7; 4_000];
const NAME_SERVER_PORT: u16 = 53;
/// A port of its own: the packet goes to the allowed address, and from there elsewhere.
const DETOUR: u16 = 4_001;
/// Loose source routing: type, length, pointer (RFC 791, 3.1).
pub(super) const LOOSE_ROUTE: [u8; 3] = [131, 11, 4];

pub(super) const TECHNIQUES: [Technique; 22] = [
    Technique::now("a datagram", Goal::V4, datagram),
    Technique::now("a datagram of IPv6", Goal::V6, datagram),
    Technique::now("a datagram of a connected socket", Goal::V4, connected),
    Technique::now("a datagram of an IPv6 socket to a mapped address", Goal::V4, mapped),
    Technique::now("a datagram of 4,000 bytes", Goal::V4, large),
    Technique::now("a datagram of IPv6 of 4,000 bytes", Goal::V6, large),
    Technique::now("datagrams that the device cuts (UDP_SEGMENT)", Goal::V4, segmented),
    Technique::now("a datagram that is sent in parts (MSG_MORE)", Goal::V4, in_parts),
    Technique::now("a datagram by io_uring", Goal::V4, super::uring::datagram).needing("io_uring"),
    Technique::now("a question to an untrusted name server", Goal::V4, question),
    Technique::now("a question to an untrusted name server by TCP", Goal::V4, question_by_stream),
    Technique::now("a connection", Goal::V4, connection),
    Technique::now("a connection of IPv6", Goal::V6, connection),
    Technique::now("a connection of an IPv6 socket to a mapped address", Goal::V4, mapped_stream),
    Technique::now("data with the first segment (TCP Fast Open)", Goal::V4, fast_open),
    Technique::now("a connection of several paths (MPTCP)", Goal::V4, multipath).needing("MPTCP"),
    Technique::now("UDP-Lite", Goal::V4, light).needing("UDP-Lite"),
    Technique::now("an association of SCTP", Goal::V4, association).needing("SCTP"),
    Technique::now("a connection of DCCP", Goal::V4, datagram_connection).needing("DCCP"),
    Technique::now("an echo of an unprivileged socket", Goal::V4, ping),
    Technique::now("an echo of an unprivileged socket of IPv6", Goal::V6, ping),
    Technique::now("a source route of a socket by the allowed", Goal::DetourV4(DETOUR), detour)
        .alone(),
];

fn datagram(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    ground.datagram(to)
}

fn connected(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    begin(&socket, SocketAddr::new(to, PORT))?;
    send_with(&socket, DATA, None, MsgFlags::empty())
}

/// An IPv4 address as IPv6 has it (RFC 4291, 2.5.5.2).
fn as_mapped(to: IpAddr) -> SocketAddr {
    let IpAddr::V4(to) = to else { panic!("{to} cannot be mapped") };
    SocketAddr::new(to.to_ipv6_mapped().into(), PORT)
}

fn mapped(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    send(ground.socket(libc::AF_INET6, libc::SOCK_DGRAM, 0)?, DATA, as_mapped(to))
}

fn mapped_stream(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    begin(&ground.socket(libc::AF_INET6, libc::SOCK_STREAM, 0)?, as_mapped(to))
}

fn large(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    send(&socket, &LARGE, SocketAddr::new(to, PORT))
}

fn segmented(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    setsockopt(&socket, sockopt::UdpGsoSegment, &500)?;
    send(&socket, &LARGE, SocketAddr::new(to, PORT))
}

fn in_parts(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    let to = SocketAddr::new(to, PORT);
    send_with(&socket, DATA, Some(to), MsgFlags::from_bits_retain(libc::MSG_MORE))?;
    send(&socket, DATA, to)
}

fn question(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    let question = wire::query(1, &wire::name("secret.example"), wire::A);
    send(&socket, &question, SocketAddr::new(to, NAME_SERVER_PORT))
}

fn question_by_stream(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_STREAM, 0)?;
    begin(&socket, SocketAddr::new(to, NAME_SERVER_PORT))
}

fn connection(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    begin(&ground.socket(family_of(to), libc::SOCK_STREAM, 0)?, SocketAddr::new(to, PORT))
}

fn fast_open(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_STREAM, 0)?;
    let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    send_with(&socket, DATA, Some(SocketAddr::new(to, PORT)), flags)
}

fn multipath(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?;
    begin(&socket, SocketAddr::new(to, PORT))
}

fn light(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, IPPROTO_UDPLITE)?;
    send(&socket, DATA, SocketAddr::new(to, PORT))
}

fn association(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_STREAM, libc::IPPROTO_SCTP)?;
    begin(&socket, SocketAddr::new(to, PORT))
}

fn datagram_connection(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), SOCK_DCCP, IPPROTO_DCCP)?;
    option::set(&socket, SOL_DCCP, DCCP_SOCKOPT_SERVICE, &7u32.to_be_bytes())?;
    begin(&socket, SocketAddr::new(to, PORT))
}

fn ping(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let protocol = if to.is_ipv4() { libc::IPPROTO_ICMP } else { libc::IPPROTO_ICMPV6 };
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, protocol)?;
    send(&socket, &segment::echo(to, to), SocketAddr::new(to, 0))
}

/// The kernel sends it to the allowed address, with the other in the option.
fn detour(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let IpAddr::V4(last) = to else { panic!("{to} is no address of IPv4") };
    let socket = ground.socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let route = [&LOOSE_ROUTE[..], &ALLOWED_V4.octets(), &last.octets(), &[0]].concat();
    option::set(&socket, libc::IPPROTO_IP, libc::IP_OPTIONS, &route)
        .context("set a source route")?;
    send(&socket, DATA, SocketAddr::new(to, DETOUR))
}
