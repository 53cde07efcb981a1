//! What was there before the enforcer, what appears after it, and what changes hands.

use std::{
    cell::OnceCell,
    io::{IoSlice, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use enforcer_tests::{link::CLIENT_DEVICE, wait};
use nix::{
    cmsg_space, libc,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
};

use super::{
    frames::{FAR, IPV4, device, packet_socket, plain, send_on},
    ground::{DATA, Ground, Home, PORT, begin, family_of, send, send_with},
    technique::{Goal, Targets, Technique, Way},
};

/// A wire beside the first, whose far end is in the world.
const SECOND: &str = "second";
const GATEWAY: &str = "198.18.9.1";
const PATIENCE: Duration = Duration::from_secs(5);
const VLAN: &str = "uplink.67";

pub(super) const TECHNIQUES: [Technique; 9] = [
    Technique::prepared("a connection from before", Goal::V4, old_connection),
    Technique::prepared("a connection of IPv6 from before", Goal::V6, old_connection),
    Technique::prepared("a connected datagram socket from before", Goal::V4, old_datagrams),
    Technique::prepared("a connected datagram socket of IPv6 from before", Goal::V6, old_datagrams),
    Technique::prepared("a raw socket from before", Goal::V4, |ground, _| {
        let socket = ground.socket(libc::AF_INET, libc::SOCK_RAW, 253)?;
        Ok(Box::new(move |to| send(&socket, DATA, SocketAddr::new(to, 0))))
    }),
    Technique::now(
        "a socket that a process hands to another's (SCM_RIGHTS)",
        Goal::V4,
        handed_over,
    ),
    Technique::now("a socket of a process in no cgroup that is judged", Goal::V4, |ground, to| {
        let socket = ground.rig.client.run(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
        socket.send_to(DATA, (to, PORT)).map(drop).context("send")
    }),
    Technique::prepared("a VLAN device that appears", Goal::V4, later_vlan).needing("8021q"),
    Technique::now("a connection that was refused, tried again", Goal::V4, tried_again),
];

/// A second wire, in a group of its own: it takes the default route away.
pub(super) const SECOND_WIRE: [Technique; 2] = [
    Technique::prepared("a device that appears with a better route", Goal::V4, |ground, _| {
        let is_there = OnceCell::new();
        prefer_the_first_less(ground)?;
        Ok(Box::new(move |to| {
            is_there.get_or_init(|| second_wire(ground).unwrap());
            // Until then, only the hooks of a cgroup are in the way.
            if ground.home == Home::Elsewhere {
                ground.wait_until_judged(SECOND)?;
            }
            ground.datagram(to)
        }))
    }),
    Technique::prepared("a frame by a device that appears", Goal::V4, |ground, _| {
        Ok(Box::new(move |to| {
            // It is there by the technique before; nothing stops a packet socket until it is judged.
            ground.wait_until_judged(SECOND)?;
            let socket = packet_socket(ground, libc::SOCK_RAW)?;
            send_on(&socket, &device(ground, SECOND, IPV4)?, &plain(to))
        }))
    }),
];

fn old_connection<'g>(ground: &'g Ground<'_>, targets: Targets) -> anyhow::Result<Way<'g>> {
    old(ground, targets, libc::SOCK_STREAM)
}

fn old_datagrams<'g>(ground: &'g Ground<'_>, targets: Targets) -> anyhow::Result<Way<'g>> {
    old(ground, targets, libc::SOCK_DGRAM)
}

/// Sockets that are connected to both addresses before the enforcer is there.
fn old<'g>(ground: &'g Ground<'_>, targets: Targets, kind: i32) -> anyhow::Result<Way<'g>> {
    let connected = |to: IpAddr| {
        // It waits until it is connected.
        let socket = ground.insider.socket_of([family_of(to), kind, 0])?;
        begin(&socket, SocketAddr::new(to, PORT))?;
        anyhow::Ok(socket)
    };
    let forbidden = connected(targets.forbidden)?;
    let allowed = connected(targets.allowed)?;
    Ok(Box::new(move |to| {
        let socket = if to == targets.allowed { &allowed } else { &forbidden };
        send_with(socket, DATA, None, MsgFlags::empty())
    }))
}

/// The process of the workload makes it, the one that sends is in another cgroup.
fn handed_over(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(family_of(to), libc::SOCK_DGRAM, 0)?;
    let kind = (AddressFamily::Unix, SockType::Datagram);
    let (one, other) = socketpair(kind.0, kind.1, None, SockFlag::SOCK_CLOEXEC)?;
    let rights = [socket.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(one.as_raw_fd(), &[IoSlice::new(&[0])], &control, MsgFlags::empty(), None)?;
    drop(socket);
    let (mut byte, mut space) = ([0], cmsg_space!([i32; 1]));
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(other.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let Some(ControlMessageOwned::ScmRights(taken)) = received.cmsgs()?.next() else {
        anyhow::bail!("no socket came");
    };
    // SAFETY: the kernel has just made the descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(taken[0]) };
    send(&socket, DATA, SocketAddr::new(to, PORT))
}

fn tried_again(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let socket = ground.socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    begin(&socket, SocketAddr::new(to, PORT))?;
    disconnect(&socket)?;
    begin(&socket, SocketAddr::new(to, PORT))
}

/// Takes the peer of a socket away (connect(2), `AF_UNSPEC`).
fn disconnect(socket: &OwnedFd) -> anyhow::Result<()> {
    // SAFETY: zeroes are an address of no family.
    let nobody: libc::sockaddr = unsafe { std::mem::zeroed() };
    let size = libc::socklen_t::try_from(size_of_val(&nobody))?;
    // SAFETY: the address is `size` bytes that live until the call returns.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, size) };
    nix::errno::Errno::result(done).map(drop).context("disconnect")
}

/// A device on the uplink that is made when it is used.
fn later_vlan<'g>(ground: &'g Ground<'_>, _: Targets) -> anyhow::Result<Way<'g>> {
    let make = format!("link add link {CLIENT_DEVICE} name {VLAN} type vlan id 67");
    // Whether the kernel has such devices is found out before.
    ground.rig.client.configure([make.clone(), format!("link del {VLAN}")])?;
    Ok(Box::new(move |to| {
        let far = FAR.map(|byte| format!("{byte:02x}")).join(":");
        ground.rig.client.configure([
            make.clone(),
            format!("addr add 198.18.8.2/24 dev {VLAN}"),
            format!("link set {VLAN} up"),
            format!("neigh replace 198.18.8.1 lladdr {far} dev {VLAN} nud permanent"),
            format!("route add {to}/32 via 198.18.8.1 dev {VLAN}"),
        ])?;
        let sent = ground.datagram(to);
        ground.rig.client.configure([format!("link del {VLAN}")])?;
        sent
    }))
}

fn prefer_the_first_less(ground: &Ground<'_>) -> anyhow::Result<()> {
    let gateway = enforcer_tests::link::WORLD_V4;
    ground.rig.client.configure([
        format!("route del default via {gateway}"),
        format!("route add default via {gateway} metric 100"),
    ])
}

fn second_wire(ground: &Ground<'_>) -> anyhow::Result<()> {
    let far = FAR.map(|byte| format!("{byte:02x}")).join(":");
    let world = ground.rig.world.path();
    ground.rig.client.configure([format!(
        "link add {SECOND} type veth peer name far address {far} netns {world}"
    )])?;
    ground.rig.world.configure(["link set far up"])?;
    ground.rig.client.configure([
        format!("addr add 198.18.9.2/24 dev {SECOND}"),
        format!("link set {SECOND} up"),
        format!("neigh replace {GATEWAY} lladdr {far} dev {SECOND} nud permanent"),
        format!("route add default via {GATEWAY} dev {SECOND} metric 10"),
    ])?;
    // Before that, what is sent goes nowhere (net/core/link_watch.c).
    wait::until_true("a device to be ready", PATIENCE, || {
        let shown = ground.rig.client.output(Command::new("ip").args(["link", "show", SECOND]));
        String::from_utf8_lossy(&shown.unwrap().stdout).contains("state UP")
    })
}
