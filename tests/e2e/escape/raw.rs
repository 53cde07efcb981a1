//! Raw sockets: packets of one's own making, which need `CAP_NET_RAW`, as containers have it.

use std::net::{IpAddr, SocketAddr};

use enforcer_tests::packet::{Packet, extension, protocol};
use nix::libc;

use super::{
    ground::{ALLOWED_V4, ALLOWED_V6, DATA, Ground, PORT, client_like, family_of, send},
    sockets::LOOSE_ROUTE,
    technique::{Goal, Technique},
};
use crate::segment;

const IPIP: u8 = 4;
const IPV6: u8 = 41;
const ESP: u8 = 50;
const IGMP: u8 = 2;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const LISTENER_REPORT: u8 = 143;
/// Ports of their own: the packet goes to the allowed address, and from there elsewhere.
const LOOSE: u16 = 4_002;
const STRICT: u16 = 4_003;
const ROUTED: u16 = 4_004;
/// The allowed address as IPv6 has it (RFC 4291, 2.5.5.2): on a wire it is another.
const MAPPED: &str = "::ffff:203.0.113.10";
/// Strict source routing: type, length, pointer (RFC 791, 3.1).
const STRICT_ROUTE: [u8; 3] = [137, 7, 4];

pub(super) const TECHNIQUES: [Technique; 22] = [
    Technique::now("a raw datagram", Goal::V4, datagram),
    Technique::now("a raw datagram of IPv6", Goal::V6, datagram),
    Technique::now("a raw datagram in another's name", Goal::V4, spoofed),
    Technique::now("a raw datagram in the name of the allowed", Goal::V4, in_the_allowed_name),
    Technique::now("a raw segment without a connection", Goal::V4, acknowledgement),
    Technique::now("a raw echo", Goal::V4, echo),
    Technique::now("a raw echo of IPv6", Goal::V6, echo),
    Technique::now("a raw answer to an echo that nobody sent", Goal::V4, echo_reply),
    Technique::now("a raw error that nobody caused", Goal::V4, error),
    Technique::now("a raw packet of SCTP", Goal::V4, |ground, to| {
        ground.raw(&between(to).sctp(PORT).bytes(), to)
    }),
    Technique::now("a raw packet in a packet", Goal::V4, in_a_packet),
    Technique::now("a raw packet of IPv6 in a packet", Goal::V4, v6_in_a_packet),
    Technique::now("a raw packet in generic encapsulation", Goal::V4, |ground, to| {
        other(ground, to, protocol::GRE)
    }),
    Technique::now("a raw encrypted packet", Goal::V4, |ground, to| other(ground, to, ESP)),
    Technique::now("a raw message to a DHCP server far away", Goal::V4, |ground, to| {
        ground.raw(&between(to).from_port(68).udp(67).payload(DATA).bytes(), to)
    }),
    Technique::now("a raw message to a DHCP server of IPv6 far away", Goal::V6, |ground, to| {
        ground.raw(&between(to).from_port(546).udp(547).payload(DATA).bytes(), to)
    }),
    Technique::now(
        "a raw datagram of IPv6 to the allowed, mapped",
        Goal::Many(MAPPED),
        |ground, _| {
            let to = MAPPED.parse()?;
            ground.raw(&between(to).udp(PORT).payload(DATA).bytes(), to)
        },
    )
    .alone(),
    Technique::now("a raw group report to one address", Goal::V4, |ground, to| {
        other(ground, to, IGMP)
    }),
    Technique::now("a raw group report of IPv6 to an address far away", Goal::V6, |ground, to| {
        ground.raw(&between(to).hop_limit(1).icmp(LISTENER_REPORT).bytes(), to)
    }),
    Technique::now("a loose source route by the allowed", Goal::DetourV4(LOOSE), |ground, to| {
        by_the_allowed(ground, to, &LOOSE_ROUTE, LOOSE)
    })
    .alone(),
    Technique::now("a strict source route by the allowed", Goal::DetourV4(STRICT), |ground, to| {
        by_the_allowed(ground, to, &STRICT_ROUTE, STRICT)
    })
    .alone(),
    Technique::now("a routing header by the allowed", Goal::DetourV6(ROUTED), routing_header)
        .alone(),
];

/// It looks like the probe of a neighbour.
pub(super) const AS_DISCOVERY: [Technique; 1] =
    [Technique::now("a raw solicitation to an address far away", Goal::V6, |ground, to| {
        let packet = between(to).hop_limit(255).icmp(NEIGHBOUR_SOLICITATION);
        ground.raw(&packet.payload(&[7; 48]).bytes(), to)
    })];

/// A packet from the client to an address.
pub(super) fn between(to: IpAddr) -> Packet {
    let packet = if to.is_ipv4() { Packet::ipv4() } else { Packet::ipv6() };
    packet.from(&client_like(to).to_string()).to(&to.to_string())
}

fn datagram(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    ground.raw(&between(to).udp(PORT).payload(DATA).bytes(), to)
}

fn spoofed(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    ground.raw(&between(to).from("198.18.0.7").udp(PORT).payload(DATA).bytes(), to)
}

fn in_the_allowed_name(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let from = ALLOWED_V4.to_string();
    ground.raw(&between(to).from(&from).udp(PORT).payload(DATA).bytes(), to)
}

/// As if it belonged to a connection that has been there for long.
fn acknowledgement(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let (from, far) = (SocketAddr::new(client_like(to), 4_010), SocketAddr::new(to, PORT));
    let segment = segment::of(from, far, segment::ACK, 1, 1);
    ground.raw(&between(to).protocol(protocol::TCP).payload(&segment).bytes(), to)
}

/// The kernel makes the network header.
fn echo(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let protocol = if to.is_ipv4() { libc::IPPROTO_ICMP } else { libc::IPPROTO_ICMPV6 };
    let socket = ground.socket(family_of(to), libc::SOCK_RAW, protocol)?;
    send(&socket, &segment::echo(client_like(to), to), SocketAddr::new(to, 0))
}

fn echo_reply(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    ground.raw(&between(to).icmp(0).payload(DATA).bytes(), to)
}

/// It quotes a packet that would have come from the address.
fn error(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let client = client_like(to).to_string();
    let quoted = Packet::ipv4().from(&to.to_string()).to(&client).udp(PORT).bytes();
    ground.raw(&between(to).icmp(3).payload(&quoted).bytes(), to)
}

fn other(ground: &Ground<'_>, to: IpAddr, protocol: u8) -> anyhow::Result<()> {
    ground.raw(&between(to).protocol(protocol).payload(&[0; 32]).bytes(), to)
}

fn in_a_packet(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let inner = between(ALLOWED_V4.into()).udp(PORT).bytes();
    ground.raw(&between(to).protocol(IPIP).payload(&inner).bytes(), to)
}

fn v6_in_a_packet(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let inner = between(ALLOWED_V6.into()).udp(PORT).bytes();
    ground.raw(&between(to).protocol(IPV6).payload(&inner).bytes(), to)
}

fn by_the_allowed(ground: &Ground<'_>, to: IpAddr, route: &[u8], port: u16) -> anyhow::Result<()> {
    let IpAddr::V4(last) = to else { panic!("{to} is no address of IPv4") };
    let first = ALLOWED_V4.into();
    let mut option = route.to_vec();
    option.extend(last.octets());
    // The loose one has room for one more, which it has passed.
    option.resize(route[1].into(), 0);
    let packet = between(first).options(&option).udp(port).payload(DATA);
    ground.raw(&packet.bytes(), first)
}

/// Type 0, one segment left: the address behind the header is the destination (RFC 2460, 4.4).
fn routing_header(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let IpAddr::V6(last) = to else { panic!("{to} is no address of IPv6") };
    let first = ALLOWED_V6.into();
    let route = [&[0, 1, 0, 0, 0, 0], &last.octets()[..]].concat();
    let packet = between(first).extension(extension::ROUTING, &route).udp(ROUTED).payload(DATA);
    ground.raw(&packet.bytes(), first)
}
