//! What goes to many at once: multicast and broadcast.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use enforcer_tests::link::CLIENT_DEVICE;
use nix::{
    libc,
    net::if_::if_nametoindex,
    sys::socket::{setsockopt, sockopt},
};

use super::{
    ground::{DATA, Ground, PORT, send},
    option,
    technique::{Goal, Technique},
};

const GROUP: &str = "239.66.66.66";
/// Of the link alone (RFC 5771, 4).
const LINK_GROUP: &str = "224.0.0.66";
/// Of names on the link (RFC 6762), which is the way out of many a printer.
const NAMES_GROUP: &str = "224.0.0.251";
const EVERYBODY: &str = "255.255.255.255";
const EVERYBODY_HERE: &str = "192.0.2.255";
const GROUP_V6: &str = "ff0e::66:66";
const LINK_GROUP_V6: &str = "ff02::66:66";
const ALL_NODES: &str = "ff02::1";

pub(super) const TECHNIQUES: [Technique; 8] = [
    to("a datagram to a group", GROUP, |ground, _| datagram(ground, GROUP)),
    to("a datagram to a group of the link", LINK_GROUP, |ground, _| datagram(ground, LINK_GROUP)),
    to("a datagram to who knows names", NAMES_GROUP, |ground, _| datagram(ground, NAMES_GROUP)),
    to("a datagram to everybody", EVERYBODY, |ground, _| datagram(ground, EVERYBODY)),
    to("a datagram to everybody of a network", EVERYBODY_HERE, |ground, _| {
        datagram(ground, EVERYBODY_HERE)
    }),
    to("a datagram of IPv6 to a group", GROUP_V6, |ground, _| datagram_v6(ground, GROUP_V6)),
    to("a datagram of IPv6 to a group of the link", LINK_GROUP_V6, |ground, _| {
        datagram_v6(ground, LINK_GROUP_V6)
    }),
    to("a datagram of IPv6 to all nodes", ALL_NODES, |ground, _| datagram_v6(ground, ALL_NODES)),
];

const fn to(
    name: &'static str,
    address: &'static str,
    act: fn(&Ground<'_>, IpAddr) -> anyhow::Result<()>,
) -> Technique {
    Technique::now(name, Goal::Many(address), act).alone()
}

fn datagram(ground: &Ground<'_>, to: &str) -> anyhow::Result<()> {
    let socket = ground.socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    setsockopt(&socket, sockopt::Broadcast, &true)?;
    send(&socket, DATA, SocketAddr::new(to.parse()?, PORT))
}

fn datagram_v6(ground: &Ground<'_>, to: &str) -> anyhow::Result<()> {
    let socket = ground.socket(libc::AF_INET6, libc::SOCK_DGRAM, 0)?;
    let index = ground.rig.client.run(|| Ok(if_nametoindex(CLIENT_DEVICE)?))?;
    let device = index.to_ne_bytes();
    option::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &device)?;
    send(&socket, DATA, SocketAddr::new(to.parse::<Ipv6Addr>()?.into(), PORT))
}
