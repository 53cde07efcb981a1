//! Tunnels: what is sent into one is allowed, where the tunnel leads is not.

use std::net::{IpAddr, SocketAddr};

use enforcer_tests::link::{CLIENT_DEVICE, CLIENT_V4, CLIENT_V6};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

use super::{
    ground::{ALLOWED_V4, ALLOWED_V6, DATA, Ground, PORT, family_of, send},
    technique::{Goal, Targets, Technique, Way},
    wireguard,
};

/// The inner end of tunnels that have an Ethernet in them, made up.
const INNER_HARDWARE: &str = "02:00:00:00:00:99";
const OTHER_PORT: u16 = 5_555;

pub(super) const TECHNIQUES: [Technique; 10] = [
    tunnel("a tunnel of IPv4 in IPv4", Goal::V4, "ipip", |ground, targets| {
        through(ground, "t0", &between("ipip", targets), ALLOWED_V4.into())
    }),
    tunnel("a tunnel of IPv6 in IPv4", Goal::V4, "sit", |ground, targets| {
        through(ground, "t1", &between("sit", targets), ALLOWED_V6.into())
    }),
    tunnel("a tunnel of generic encapsulation", Goal::V4, "gre", |ground, targets| {
        through(ground, "t2", &between("gre", targets), ALLOWED_V4.into())
    }),
    tunnel(
        "a tunnel of Ethernet in generic encapsulation",
        Goal::V4,
        "gretap",
        |ground, targets| through(ground, "t3", &between("gretap", targets), ALLOWED_V4.into()),
    ),
    tunnel("a tunnel of IPv6 in IPv6", Goal::V6, "ip6tnl", |ground, targets| {
        let kind = format!("ip6tnl mode ip6ip6 local {CLIENT_V6} remote {}", targets.forbidden);
        through(ground, "t4", &kind, ALLOWED_V6.into())
    }),
    tunnel("a tunnel of VXLAN", Goal::V4, "vxlan", |ground, targets| {
        let ends = format!("local {CLIENT_V4} remote {}", targets.forbidden);
        let kind = format!("vxlan id 7 {ends} dstport 4789 dev {CLIENT_DEVICE}");
        through(ground, "t5", &kind, ALLOWED_V4.into())
    }),
    tunnel("a tunnel of VXLAN over IPv6", Goal::V6, "vxlan", |ground, targets| {
        let ends = format!("local {CLIENT_V6} remote {}", targets.forbidden);
        let kind = format!("vxlan id 8 {ends} dstport 4790 dev {CLIENT_DEVICE}");
        through(ground, "t6", &kind, ALLOWED_V4.into())
    }),
    tunnel("a tunnel of Geneve", Goal::V4, "geneve", |ground, targets| {
        let kind = format!("geneve id 9 remote {}", targets.forbidden);
        through(ground, "t7", &kind, ALLOWED_V4.into())
    }),
    tunnel("a tunnel in datagrams (FOU)", Goal::V4, "fou", |ground, targets| {
        ground.rig.client.configure([format!("fou add port {OTHER_PORT} ipproto 4")])?;
        let way = format!("encap fou encap-sport auto encap-dport {OTHER_PORT}");
        let kind = format!("{} {way}", between("ipip", targets));
        through(ground, "t8", &kind, ALLOWED_V4.into())
    }),
    tunnel("a tunnel of WireGuard", Goal::V4, "wireguard", |ground, targets| {
        let make = ["link add t9 type wireguard"];
        ground.rig.client.configure(make)?;
        wireguard::lead(ground, "t9", SocketAddr::new(targets.forbidden, OTHER_PORT))?;
        up(ground, "t9")?;
        inside(ground, "t9", ALLOWED_V4.into())
    }),
];

const fn tunnel(
    name: &'static str,
    goal: Goal,
    kind: &'static str,
    make: for<'g> fn(&'g Ground<'_>, Targets) -> anyhow::Result<Way<'g>>,
) -> Technique {
    // A tunnel has one end: there is no such way to the allowed address.
    Technique::prepared(name, goal, make).alone().needing(kind)
}

fn between(kind: &str, targets: Targets) -> String {
    format!("{kind} local {CLIENT_V4} remote {}", targets.forbidden)
}

/// Makes a tunnel; the way is to send into it, whatever the address is told.
fn through<'g>(
    ground: &'g Ground<'_>,
    device: &'static str,
    kind: &str,
    inner: IpAddr,
) -> anyhow::Result<Way<'g>> {
    ground.rig.client.configure([format!("link add {device} type {kind}")])?;
    up(ground, device)?;
    // Where there is an Ethernet in the tunnel; elsewhere nobody has such an address.
    let neighbour = format!("neigh replace {inner} lladdr {INNER_HARDWARE} dev {device}");
    drop(ground.rig.client.configure([neighbour]));
    inside(ground, device, inner)
}

fn up(ground: &Ground<'_>, device: &str) -> anyhow::Result<()> {
    ground.rig.client.configure([
        format!("addr add 10.99.0.1/32 dev {device}"),
        format!("addr add fd99::1/128 dev {device} nodad"),
        format!("link set {device} up"),
    ])
}

fn inside<'g>(
    ground: &'g Ground<'_>,
    device: &'static str,
    inner: IpAddr,
) -> anyhow::Result<Way<'g>> {
    if inner.is_ipv6() {
        // IPv4 takes the device of a socket for a route, IPv6 does not.
        let route = format!("-6 route append {inner}/128 dev {device}");
        ground.rig.client.configure([route])?;
    }
    Ok(Box::new(move |_| {
        let socket = ground.socket(family_of(inner), libc::SOCK_DGRAM, 0)?;
        setsockopt(&socket, sockopt::BindToDevice, &device.into())?;
        send(&socket, DATA, SocketAddr::new(inner, PORT))
    }))
}
