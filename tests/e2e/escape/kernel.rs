//! What the kernel sends by itself, made to by a packet in another's name over the loopback device.

use std::{
    io::Read as _,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Context as _;
use enforcer_tests::{
    insider::{Kind, bind_to},
    packet::protocol,
    wait,
};
use nix::sys::socket::{Backlog, listen};

use super::{
    ground::{DATA, Ground, PORT, client_like},
    raw::between,
    technique::{Goal, Targets, Technique, Way},
};
use crate::segment::{self, ACK, FIN, SYN};

/// Nobody listens there.
const CLOSED: u16 = 9;
const LISTENED: u16 = 8_090;
const THERE: u16 = 4_005;
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) const TECHNIQUES: [Technique; 9] = [
    Technique::now("a reset of the kernel", Goal::V4, |ground, to| request(ground, to, CLOSED)),
    Technique::now("a reset of the kernel by IPv6", Goal::V6, |ground, to| {
        request(ground, to, CLOSED)
    }),
    Technique::now(
        "a reset of the kernel to what no request came before",
        Goal::V4,
        |ground, to| segment(ground, to, CLOSED, ACK, [1, 1]),
    ),
    Technique::now("an echo of the kernel", Goal::V4, echo),
    Technique::now("an echo of the kernel by IPv6", Goal::V6, echo),
    Technique::now("an error of the kernel: a closed port", Goal::V4, |ground, to| {
        let datagram = in_the_name_of(to).from_port(THERE).udp(CLOSED).payload(DATA);
        forge(ground, &datagram.bytes(), to)
    }),
    Technique::now("an error of the kernel: an unknown protocol", Goal::V4, |ground, to| {
        forge(ground, &in_the_name_of(to).protocol(253).payload(DATA).bytes(), to)
    }),
    Technique::prepared("an answer of a listener", Goal::V4, by_a_listener),
    Technique::prepared(
        "an answer for a connection that is over (TIME_WAIT)",
        Goal::V4,
        by_the_past,
    ),
];

/// A packet to the client from elsewhere.
fn in_the_name_of(from: IpAddr) -> enforcer_tests::Packet {
    between(from).from(&from.to_string()).to(&client_like(from).to_string())
}

/// Sends to an address of the node itself: the loopback device is the way.
fn forge(ground: &Ground<'_>, packet: &[u8], from: IpAddr) -> anyhow::Result<()> {
    ground.raw(packet, client_like(from))
}

fn segment(
    ground: &Ground<'_>,
    from: IpAddr,
    to: u16,
    flags: u8,
    [number, answers]: [u32; 2],
) -> anyhow::Result<()> {
    between_ports(ground, SocketAddr::new(from, THERE), to, flags, [number, answers])
}

fn between_ports(
    ground: &Ground<'_>,
    from: SocketAddr,
    to: u16,
    flags: u8,
    [number, answers]: [u32; 2],
) -> anyhow::Result<()> {
    let here = SocketAddr::new(client_like(from.ip()), to);
    let segment = segment::of(from, here, flags, number, answers);
    let packet = in_the_name_of(from.ip()).protocol(protocol::TCP).payload(&segment);
    forge(ground, &packet.bytes(), from.ip())
}

fn request(ground: &Ground<'_>, from: IpAddr, to: u16) -> anyhow::Result<()> {
    segment(ground, from, to, SYN, [1, 0])
}

fn echo(ground: &Ground<'_>, from: IpAddr) -> anyhow::Result<()> {
    let number = if from.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
    let message = segment::echo(from, client_like(from));
    forge(ground, &in_the_name_of(from).protocol(number).payload(&message).bytes(), from)
}

/// A listener of the workload, which is asked for a connection in another's name.
fn by_a_listener<'g>(ground: &'g Ground<'_>, targets: Targets) -> anyhow::Result<Way<'g>> {
    let socket = ground.insider.socket(Kind::Tcp4)?;
    bind_to(&socket, SocketAddr::new(client_like(targets.forbidden), LISTENED))?;
    listen(&socket, Backlog::new(8)?)?;
    let listener = TcpListener::from(socket);
    Ok(Box::new(move |to| {
        let _open = &listener;
        request(ground, to, LISTENED)
    }))
}

/// Connections that were ended by this side before the enforcer was there. The end of one, which
/// comes again, has to be acknowledged again (RFC 9293, 3.10.7.4).
fn by_the_past<'g>(ground: &'g Ground<'_>, targets: Targets) -> anyhow::Result<Way<'g>> {
    let ports = [targets.forbidden, targets.allowed].map(|to| ended(ground, to));
    let [forbidden, allowed] = ports;
    let (forbidden, allowed) = (forbidden?, allowed?);
    Ok(Box::new(move |to| {
        let port = if to == targets.allowed { allowed } else { forbidden };
        between_ports(ground, SocketAddr::new(to, PORT), port, FIN | ACK, [1, 1])
    }))
}

/// The port here of a connection that is over, which not each is that was: the kernel keeps what it
/// has room for.
fn ended(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<u16> {
    let made = wait::until("a connection to be over", PATIENCE, || {
        end(ground, to).map(|port| is_over(ground, port).then_some(port)).transpose()
    });
    made?
}

/// Makes a connection and ends it; its port here.
fn end(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<u16> {
    let mut stream: TcpStream = ground.insider.stream(SocketAddr::new(to, PORT))?;
    let port = stream.local_addr()?.port();
    stream.shutdown(std::net::Shutdown::Write)?;
    // The other end ends it, too.
    let read = stream.read(&mut [0]).context("wait for the other end")?;
    anyhow::ensure!(read == 0, "the other end sends");
    Ok(port)
}

/// Whether a port of the client is in `TIME_WAIT`, which is 6 (`include/net/tcp_states.h`).
fn is_over(ground: &Ground<'_>, port: u16) -> bool {
    // The process itself is in another namespace than this thread.
    let read = || Ok(std::fs::read_to_string("/proc/thread-self/net/tcp")?);
    let here = format!(":{port:04X}");
    ground.rig.client.run(read).unwrap().lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 3 && fields[1].ends_with(&here) && fields[3] == "06"
    })
}
