//! Other network namespaces, and devices that are more than one: what has no address of the node.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use enforcer_tests::{
    Insider, Netns,
    link::{CLIENT_DEVICE, WORLD_V4, WORLD_V6},
};
use nix::libc;

use super::{
    frames::{FAR, IPV4, device_in, ethernet, send_on},
    ground::{DATA, Ground, PORT, family_of, send},
    raw::between,
    technique::{Goal, Targets, Technique, Way},
    tun,
};
use crate::pod::pod;

pub(super) const TECHNIQUES: [Technique; 7] = [
    Technique::prepared("a namespace behind the node (masquerade)", Goal::V4, behind_the_node),
    Technique::prepared("a macvlan device in a namespace", Goal::V4, |ground, _| {
        by_datagram(ground, "macvlan mode bridge", "mac0")
    })
    .needing("macvlan"),
    Technique::prepared("a macvlan device in a namespace, by IPv6", Goal::V6, |ground, _| {
        by_datagram(ground, "macvlan mode private", "mac1")
    })
    .needing("macvlan"),
    Technique::prepared("a frame by a macvlan device in a namespace", Goal::V4, |ground, _| {
        by_frame(ground, "macvlan mode bridge", "mac2")
    })
    .needing("macvlan"),
    Technique::prepared("a VLAN device in a namespace", Goal::V4, |ground, _| {
        by_datagram(ground, "vlan id 66", "vlan66")
    })
    .needing("8021q"),
    Technique::prepared("a socket of a namespace of one's own, taken along", Goal::V4, taken_along),
    Technique::prepared("a packet that comes out of a tun device", Goal::V4, tun::way)
        .needing("tun"),
];

/// On a device of which there can be no macvlan device at the same time.
pub(super) const IPVLAN: [Technique; 2] = [
    Technique::prepared("an ipvlan device in a namespace", Goal::V4, |ground, _| {
        by_datagram(ground, "ipvlan mode l2", "ipv0")
    })
    .needing("ipvlan"),
    Technique::prepared("an ipvlan device in a namespace, by IPv6", Goal::V6, |ground, _| {
        by_datagram(ground, "ipvlan mode l2", "ipv1")
    })
    .needing("ipvlan"),
];

/// Another namespace, a process of the workload in it, and what keeps both.
struct Place {
    namespace: Netns,
    insider: Insider,
}

impl Place {
    fn send(&self, to: IpAddr) -> anyhow::Result<()> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK;
        let socket = self.insider.socket_of([family_of(to), kind, 0])?;
        send(&socket, DATA, SocketAddr::new(to, PORT))
    }
}

fn behind_the_node<'g>(ground: &'g Ground<'_>, _: Targets) -> anyhow::Result<Way<'g>> {
    let namespace = pod(ground.rig);
    let insider = ground.insider_in(&namespace)?;
    let place = Place { namespace, insider };
    Ok(Box::new(move |to| place.send(to)))
}

/// A socket that was made behind the node is used by somebody who is elsewhere.
fn taken_along<'g>(ground: &'g Ground<'_>, _: Targets) -> anyhow::Result<Way<'g>> {
    let namespace = Netns::make()?;
    ground.rig.client.set("ipv4/ip_forward", "1")?;
    ground.rig.client.configure([
        format!("link add own type veth peer name eth0 netns {}", namespace.path()),
        "addr add 10.245.0.1/24 dev own".to_owned(),
        "link set own up".to_owned(),
    ])?;
    namespace.configure([
        "addr add 10.245.0.2/24 dev eth0",
        "link set eth0 up",
        "route add default via 10.245.0.1",
    ])?;
    let insider = ground.insider_in(&namespace)?;
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK;
    let socket: OwnedFd = insider.socket_of([libc::AF_INET, kind, 0])?;
    Ok(Box::new(move |to| {
        let _home = &namespace;
        send(&socket, DATA, SocketAddr::new(to, PORT))
    }))
}

/// A namespace whose way out is a device on the uplink.
fn place(ground: &Ground<'_>, kind: &str, name: &str) -> anyhow::Result<Place> {
    let namespace = Netns::make()?;
    // Devices on one device have to have addresses of their own.
    let last = 70 + name.bytes().last().map_or(0, |digit| digit - b'0');
    for family in ["ipv6/conf/default/accept_dad", "ipv6/conf/default/accept_ra"] {
        namespace.set(family, "0")?;
    }
    ground.rig.client.configure([
        format!("link add link {CLIENT_DEVICE} name {name} type {kind}"),
        format!("link set {name} netns {}", namespace.path()),
    ])?;
    let far = FAR.map(|byte| format!("{byte:02x}")).join(":");
    namespace.configure([
        format!("addr add 192.0.2.{last}/24 dev {name}"),
        format!("addr add 2001:db8:0:1::{last}/64 dev {name} nodad"),
        format!("link set {name} up"),
        format!("route add default via {WORLD_V4}"),
        format!("-6 route add default via {WORLD_V6}"),
        format!("neigh replace {WORLD_V4} lladdr {far} dev {name} nud permanent"),
        format!("neigh replace {WORLD_V6} lladdr {far} dev {name} nud permanent"),
    ])?;
    let insider = ground.insider_in(&namespace)?;
    Ok(Place { namespace, insider })
}

fn by_datagram<'g>(
    ground: &'g Ground<'_>,
    kind: &str,
    name: &'static str,
) -> anyhow::Result<Way<'g>> {
    let place = place(ground, kind, name)?;
    Ok(Box::new(move |to| place.send(to)))
}

fn by_frame<'g>(ground: &'g Ground<'_>, kind: &str, name: &'static str) -> anyhow::Result<Way<'g>> {
    let place = place(ground, kind, name)?;
    Ok(Box::new(move |to| {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = place.insider.socket_of([libc::AF_PACKET, kind, 0])?;
        let frame = ethernet(&[IPV4], &between(to).udp(PORT).payload(DATA).bytes());
        send_on(&socket, &device_in(&place.namespace, name, IPV4)?, &frame)
    }))
}
