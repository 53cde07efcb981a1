//! Whoever opened a flow towards the node is answered under an empty allowlist, and nobody else.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use enforcer_tests::{
    Packet, Rig,
    insider::{Kind, bind_to},
    link::{CLIENT_V4, WORLD_V4},
    packet::protocol,
    require_privilege,
};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            Backlog, MsgFlags, Shutdown, SockaddrStorage, connect, listen, sendto, setsockopt,
            shutdown, sockopt,
        },
        time::TimeVal,
    },
};
use serde_json::Value;

use crate::{
    segment,
    world::{PATIENCE, PLAIN, dropped, policy},
};

/// A policy that allows nothing and does not say what is translated: `connect` leaves it to egress.
const LEFT_TO_EGRESS: &str = "dns: {resolvers: [203.0.113.53]}";
const CONNECTIONS: usize = 200;
const REQUESTS: u16 = 2_000;
const SHORT: Duration = Duration::from_millis(300);

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((CLIENT_V4, port))
}

fn there(port: u16) -> SocketAddr {
    SocketAddr::from((WORLD_V4, port))
}

/// The packets that `status` counts for the implicit rule.
fn replies(status: &Value) -> u64 {
    let rules = status["implicit"].as_array().unwrap();
    rules.iter().find(|rule| rule["name"] == "reply").map_or_else(
        || panic!("no implicit rule `reply` in {status:#}"),
        |rule| rule["packets"].as_u64().unwrap(),
    )
}

/// Echoes one exchange on each of so many connections.
fn serve(listener: &TcpListener, connections: usize) {
    for stream in listener.incoming().take(connections) {
        let mut stream = stream.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
    }
}

/// Exchanges four bytes from the world with a port of the node.
fn exchange(rig: &Rig, port: u16) {
    let mut stream = rig
        .world
        .run(|| Ok(TcpStream::connect_timeout(&here(port), PATIENCE)?))
        .expect("connect from outside");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ping");
}

#[test]
fn every_connection_from_outside_is_answered() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let old = insider.socket(Kind::Tcp4).unwrap();
    bind_to(&old, here(8080)).unwrap();
    listen(&old, Backlog::new(128).unwrap()).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();
    let new = insider.socket(Kind::Tcp4).unwrap();
    bind_to(&new, here(8081)).unwrap();
    listen(&new, Backlog::new(128).unwrap()).unwrap();

    thread::scope(|scope| {
        // One listener is older than the hooks, one is not.
        for (socket, port) in [(old, 8080), (new, 8081)] {
            let listener = TcpListener::from(socket);
            scope.spawn(move || serve(&listener, CONNECTIONS));
            for _ in 0..CONNECTIONS {
                exchange(&rig, port);
            }
        }
    });

    let status = agent.status().unwrap();
    assert!(replies(&status) >= 4 * CONNECTIONS as u64, "{status:#}");
    assert_eq!(dropped(&status, "no-rule"), 0);
}

/// Packets of TCP that reach port 443 of the world from a socket that has listened, was asked for
/// a connection, and then connects.
fn leaked_by_a_listener(is_enforced: bool) -> u64 {
    let rig = Rig::make().unwrap();
    let _agent = is_enforced.then(|| rig.agent(&policy(LEFT_TO_EGRESS, &[])).unwrap());
    let capture = rig.capture().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.socket(Kind::Tcp4).unwrap();
    bind_to(&socket, here(8082)).unwrap();
    listen(&socket, Backlog::new(8).unwrap()).unwrap();
    let listener = TcpListener::from(socket);
    thread::scope(|scope| {
        scope.spawn(|| serve(&listener, 1));
        exchange(&rig, 8082);
    });

    shutdown(listener.as_raw_fd(), Shutdown::Both).unwrap();
    setsockopt(&listener, sockopt::SendTimeout, &TimeVal::new(0, 300_000)).unwrap();
    let connected = connect(listener.as_raw_fd(), &SockaddrStorage::from(there(443)));

    if is_enforced {
        // Silence, which a signal may end early.
        connected.unwrap_err();
    }
    capture.count_to_port(WORLD_V4.into(), protocol::TCP, 443)
}

#[test]
fn a_listener_that_connects_is_judged_by_the_policy() {
    require_privilege!();
    assert!(leaked_by_a_listener(false) > 0, "the attack does not work");
    assert_eq!(leaked_by_a_listener(true), 0);
}

/// Sends requests to a port of the node from one of the world, and counts the answers.
fn ask(client: &UdpSocket, server: &UdpSocket, requests: u16) -> u16 {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = 0;
    for number in 0..requests {
        client.send_to(&number.to_be_bytes(), server.local_addr().unwrap()).unwrap();
        let mut bytes = [0; 2];
        let (_, from) = server.recv_from(&mut bytes).unwrap();
        server.send_to(&bytes, from).unwrap();
        let read = client.recv(&mut bytes).unwrap();
        answers += u16::from(read == 2 && bytes == number.to_be_bytes());
    }
    answers
}

fn outside(rig: &Rig, port: u16) -> UdpSocket {
    let socket = rig.world.run(|| Ok(UdpSocket::bind(there(port))?)).unwrap();
    socket.set_read_timeout(Some(SHORT)).unwrap();
    socket
}

#[test]
fn every_datagram_from_outside_is_answered_and_only_to_its_sender() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let server = insider.datagrams(here(5300)).unwrap();
    let other = insider.datagrams(here(5301)).unwrap();
    let client = outside(&rig, 4000);
    let bystander = outside(&rig, 4001);

    assert_eq!(ask(&client, &server, REQUESTS), REQUESTS);

    let refused = |socket: &UdpSocket, to| {
        socket.send_to(b"out", to).unwrap_err().raw_os_error() == Some(Errno::EPERM as i32)
    };
    assert!(refused(&server, there(4001)), "another port than the sender's");
    assert!(refused(&server, SocketAddr::from(([203, 0, 113, 7], 4000))), "another address");
    assert!(refused(&other, there(4000)), "from another port than was asked");
    let mut bytes = [0; 4];
    bystander.recv(&mut bytes).unwrap_err();
    let status = agent.status().unwrap();
    assert_eq!(replies(&status), u64::from(REQUESTS));
    assert_eq!(dropped(&status, "no-rule"), 3);
}

#[test]
fn what_comes_back_to_a_socket_that_sent_first_opens_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let rules = ["{name: peers, to: [{cidr: 192.0.2.0/24}], ports: [udp/4000-4001]}"];
    let agent = rig.agent(&policy(PLAIN, &rules)).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.datagrams(here(5302)).unwrap();
    let peers = [outside(&rig, 4000), outside(&rig, 4001)];
    exchange_with_both(&socket, &peers);

    agent.write_policy(&policy(PLAIN, &[])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    for peer in &peers {
        peer.send_to(b"back", here(5302)).unwrap();
        socket.recv(&mut [0; 4]).unwrap();
        let sent = socket.send_to(b"out", peer.local_addr().unwrap());
        assert_eq!(sent.unwrap_err().raw_os_error(), Some(Errno::EPERM as i32));
    }
    assert_eq!(replies(&agent.status().unwrap()), 0);
}

#[test]
fn an_audit_counts_what_a_socket_with_two_peers_would_not_be_allowed() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let agent = rig.agent(&policy(&format!("mode: audit\n{PLAIN}"), &[])).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.datagrams(here(5303)).unwrap();
    let peers = [outside(&rig, 4000), outside(&rig, 4001)];

    for _ in 0..2 {
        exchange_with_both(&socket, &peers);
    }

    let status = agent.status().unwrap();
    assert_eq!((replies(&status), dropped(&status, "no-rule")), (0, 4));
}

#[test]
fn a_resolver_that_is_none_any_more_has_not_asked_first() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let servers = ["203.0.113.53:53", "203.0.113.54:53"].map(|text| text.parse().unwrap());
    let trusting = |servers: &str| policy(&format!("dns: {{resolvers: [{servers}]}}"), &[]);
    let agent = rig.agent(&trusting("203.0.113.53, 203.0.113.54")).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.datagrams(here(5304)).unwrap();
    let servers = servers.map(|address: SocketAddr| {
        let server = rig.world.run(|| Ok(UdpSocket::bind(address)?)).unwrap();
        server.set_read_timeout(Some(SHORT)).unwrap();
        server
    });
    exchange_with_both(&socket, &servers);

    agent.write_policy(&trusting("203.0.113.55")).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    for server in &servers {
        server.send_to(b"back", here(5304)).unwrap();
        socket.recv(&mut [0; 4]).unwrap();
        let sent = socket.send_to(b"out", server.local_addr().unwrap());
        assert_eq!(sent.unwrap_err().raw_os_error(), Some(Errno::EPERM as i32));
    }
}

/// One datagram to each of two, and back.
fn exchange_with_both(socket: &UdpSocket, peers: &[UdpSocket; 2]) {
    let mut bytes = [0; 4];
    for peer in peers {
        socket.send_to(b"out", peer.local_addr().unwrap()).unwrap();
        let (_, from) = peer.recv_from(&mut bytes).unwrap();
        peer.send_to(b"back", from).unwrap();
        socket.recv(&mut bytes).unwrap();
    }
}

/// Segments that reach the world from a listener that is asked for a connection over loopback, in
/// the world's name.
fn leaked_by_a_forged_request(is_enforced: bool) -> u64 {
    let rig = Rig::make().unwrap();
    let _agent = is_enforced.then(|| rig.agent(&policy(PLAIN, &[])).unwrap());
    let capture = rig.capture().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let listener = insider.socket(Kind::Tcp4).unwrap();
    bind_to(&listener, here(8083)).unwrap();
    listen(&listener, Backlog::new(8).unwrap()).unwrap();
    let raw = insider.socket(Kind::Raw4).unwrap();
    let packet = Packet::ipv4()
        .from(&WORLD_V4.to_string())
        .to(&CLIENT_V4.to_string())
        .protocol(protocol::TCP)
        .payload(&segment::of(there(4002), here(8083), segment::SYN, 1, 0))
        .bytes();

    let to = SockaddrStorage::from(here(0));
    sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();

    // It is answered, if it is, before the call returns.
    capture.count_to_port(WORLD_V4.into(), protocol::TCP, 4002)
}

#[test]
fn a_connection_that_a_process_asks_for_in_anothers_name_is_not_answered() {
    require_privilege!();
    assert!(leaked_by_a_forged_request(false) > 0, "the attack does not work");
    assert_eq!(leaked_by_a_forged_request(true), 0);
}
