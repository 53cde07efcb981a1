//! Forged answers "from" the resolver, by processes of the workload that may make raw sockets.

use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use enforcer_common::measure;
use enforcer_tests::{
    Insider, Packet, Rig,
    insider::{Kind, bind_to},
    link::{CLIENT_V6, device_address},
    require_privilege,
};
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto, setsockopt, sockopt};

use super::{
    GOAL, WILD, ask, asker, fails_without, ignored, resolver, server, succeeds_only_without,
    wild_query,
};
use crate::{
    wire,
    world::{PLAIN, dropped, ip, policy},
};

/// `ETH_P_IP` (`include/uapi/linux/if_ether.h`).
const ETHERTYPE_IPV4: u16 = 0x0800;
/// The loopback device has this index in every network namespace
/// (`LOOPBACK_IFINDEX`, include/net/flow.h).
const LOOPBACK_INDEX: u32 = 1;
const RESOLVER_V6: &str = "2001:db8:53::53";
pub(super) const LOCAL: &str = "virtualRanges: []\ndns: {resolvers: [127.0.0.1]}";

/// A packet with an answer in it that leads to the goal.
fn forged_packet(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    Packet::ipv4()
        .from(&from.ip().to_string())
        .from_port(from.port())
        .to(&to.ip().to_string())
        .udp(to.port())
        .payload(&wire::answer_with(&wild_query(), ip(GOAL)))
        .bytes()
}

/// Sends a packet with whatever source it says.
fn send_raw(insider: &Insider, packet: &[u8], to: SocketAddr) {
    let socket = insider.socket(Kind::Raw4).unwrap();
    // What egress drops, the caller is told; the attack has then failed.
    let _: Result<usize, nix::Error> = sendto(
        socket.as_raw_fd(),
        packet,
        &SockaddrStorage::from(SocketAddr::new(to.ip(), 0)),
        MsgFlags::empty(),
    );
}

/// Puts a packet on the loopback device, past everything that looks at what sockets send.
pub(super) fn send_on_loopback(insider: &Insider, packet: &[u8]) {
    let socket = insider.socket(Kind::Packet).unwrap();
    let address = device_address(LOOPBACK_INDEX, ETHERTYPE_IPV4, [0; 6]).unwrap();
    sendto(socket.as_raw_fd(), packet, &address, MsgFlags::empty()).unwrap();
}

/// A datagram socket that has an address which is none of its namespace's: what `CAP_NET_RAW`
/// allows (`IP_TRANSPARENT`, ip(7)).
pub(super) fn with_any_source(insider: &Insider, address: SocketAddr) -> UdpSocket {
    let socket = insider.socket(Kind::Udp4).unwrap();
    setsockopt(&socket, sockopt::IpTransparent, &true).unwrap();
    bind_to(&socket, address).unwrap();
    UdpSocket::from(socket)
}

/// Asks a resolver that stays silent, and answers oneself by a raw socket.
fn forge_raw(rig: &Rig) {
    let (insider, asking) = asker(rig);
    let from = ask(&asking, &server(rig, resolver()), &wild_query());
    send_raw(&insider, &forged_packet(resolver(), from), from);
}

/// The same by a packet socket.
fn forge_on_loopback(rig: &Rig) {
    let (insider, asking) = asker(rig);
    let from = ask(&asking, &server(rig, resolver()), &wild_query());
    send_on_loopback(&insider, &forged_packet(resolver(), from));
}

/// The same by a datagram socket with the resolver's address.
fn forge_by_datagram(rig: &Rig) {
    let (insider, asking) = asker(rig);
    let from = ask(&asking, &server(rig, resolver()), &wild_query());
    let forger = with_any_source(&insider, resolver());
    drop(forger.send_to(&wire::answer_with(&wild_query(), ip(GOAL)), from));
}

/// The same over IPv6, where any process may have any source (`IPV6_FREEBIND`, ipv6(7)).
fn forge_by_datagram_v6(rig: &Rig) {
    let resolver = SocketAddr::new(ip(RESOLVER_V6), 53);
    let insider = rig.insider(&rig.client).unwrap();
    let asking = insider.datagrams(SocketAddr::new(CLIENT_V6.into(), 0)).unwrap();
    let from = ask(&asking, &server(rig, resolver), &wild_query());
    let socket = insider.socket(Kind::Udp6).unwrap();
    setsockopt(&socket, sockopt::IpFreebind, &true).unwrap();
    bind_to(&socket, resolver).unwrap();
    let answer = wire::answer_with(&wild_query(), ip(GOAL));
    // What egress drops, the caller is told; the attack has then failed.
    drop(UdpSocket::from(socket).send_to(&answer, from));
}

#[test]
fn a_raw_answer_from_here_teaches_nothing() {
    require_privilege!();
    let both = measure::PATH | measure::FORGERY;
    let status = succeeds_only_without(both, &policy(PLAIN, &[WILD]), forge_raw);

    assert_eq!(dropped(&status, "forged-resolver"), 1, "{status:#}");
}

#[test]
fn a_raw_answer_is_dropped_where_it_leaves_even_if_its_path_would_pass() {
    require_privilege!();
    let status = fails_without(measure::PATH, &policy(PLAIN, &[WILD]), forge_raw);

    assert_eq!(dropped(&status, "forged-resolver"), 1, "{status:#}");
}

#[test]
fn a_raw_answer_has_come_by_another_path_even_if_it_was_let_out() {
    require_privilege!();
    let status = fails_without(measure::FORGERY, &policy(PLAIN, &[WILD]), forge_raw);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

#[test]
fn an_answer_that_a_packet_socket_puts_on_loopback_teaches_nothing() {
    require_privilege!();
    let status = succeeds_only_without(measure::PATH, &policy(PLAIN, &[WILD]), forge_on_loopback);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

#[test]
fn an_answer_of_a_socket_with_the_resolvers_address_teaches_nothing() {
    require_privilege!();
    let status = succeeds_only_without(measure::PATH, &policy(PLAIN, &[WILD]), forge_by_datagram);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

#[test]
fn an_answer_of_any_process_with_an_ipv6_source_of_its_choice_teaches_nothing() {
    require_privilege!();
    let settings = format!("virtualRanges: []\ndns: {{resolvers: ['{RESOLVER_V6}']}}");
    let policy = policy(&settings, &[WILD]);
    let status = succeeds_only_without(measure::PATH, &policy, forge_by_datagram_v6);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

/// Asks a stub on loopback that stays silent, and answers oneself by a raw socket.
fn forge_a_local_resolver(rig: &Rig) {
    let stub = SocketAddr::from(([127, 0, 0, 1], 53));
    let server = rig.client.run(|| Ok(UdpSocket::bind(stub)?)).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let asking = insider.datagrams("127.0.0.1:0".parse().unwrap()).unwrap();
    let from = ask(&asking, &server, &wild_query());
    send_raw(&insider, &forged_packet(stub, from), from);
}

#[test]
fn a_raw_answer_from_a_local_resolver_is_dropped_where_it_leaves() {
    require_privilege!();
    let status =
        succeeds_only_without(measure::FORGERY, &policy(LOCAL, &[WILD]), forge_a_local_resolver);

    assert_eq!(dropped(&status, "forged-resolver"), 1, "{status:#}");
}
