//! Forged answers by ordinary datagram sockets, over the loopback device from end to end.
//!
//! No raw socket is in it, and the answer comes by the path that the question took.

use std::{
    io::IoSlice,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use enforcer_common::measure;
use enforcer_tests::{Rig, link::CLIENT_V4, require_privilege};
use nix::{
    libc,
    sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt},
};

use super::{
    GOAL, WILD, ask,
    forged::{LOCAL, with_any_source},
    ignored, resolver, succeeds_only_without, wild_query,
};
use crate::{
    wire,
    world::{PLAIN, dropped, ip, policy},
};

/// Asks a resolver that is elsewhere over the loopback device, which any process may name
/// (`SO_BINDTODEVICE`, socket(7)), and answers from the resolver's address, which is none of the
/// namespace's.
fn ask_over_loopback(rig: &Rig) {
    let insider = rig.insider(&rig.client).unwrap();
    let asking = insider.datagrams("127.0.0.1:0".parse().unwrap()).unwrap();
    setsockopt(&asking, sockopt::BindToDevice, &"lo".into()).unwrap();
    let forger = with_any_source(&insider, resolver());
    // What egress drops, the caller is told; the attack has then failed.
    drop(asking.send_to(&wild_query(), resolver()));
    let answer = wire::answer_with(&wild_query(), ip(GOAL));
    drop(forger.send_to(&answer, asking.local_addr().unwrap()));
}

/// Answers in the name of a local resolver that stays silent, by a socket of another address that
/// says in the call which of its namespace's addresses it sends from (`IP_PKTINFO`, ip(7)).
fn answer_for(resolver: Ipv4Addr, rig: &Rig) {
    let resolver = SocketAddr::new(resolver.into(), 53);
    let server = rig.client.run(|| Ok(UdpSocket::bind(resolver)?)).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let asking = insider.datagrams("127.0.0.1:0".parse().unwrap()).unwrap();
    let from = ask(&asking, &server, &wild_query());
    let forger = insider.datagrams("127.0.0.2:53".parse().unwrap()).unwrap();
    let answer = wire::answer_with(&wild_query(), ip(GOAL));
    let IpAddr::V4(own) = resolver.ip() else { panic!("{resolver} is no IPv4 address") };
    let source = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(own.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    // As above.
    let _: Result<usize, nix::Error> = sendmsg(
        forger.as_raw_fd(),
        &[IoSlice::new(&answer)],
        &[ControlMessage::Ipv4PacketInfo(&source)],
        MsgFlags::empty(),
        Some(&SockaddrStorage::from(from)),
    );
}

#[test]
fn a_resolver_elsewhere_does_not_answer_over_loopback() {
    require_privilege!();
    let policy = policy(PLAIN, &[WILD]);
    let status = succeeds_only_without(measure::PATH, &policy, ask_over_loopback);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

#[test]
fn a_socket_of_another_address_does_not_answer_for_a_stub() {
    require_privilege!();
    let attack = |rig: &Rig| answer_for(Ipv4Addr::LOCALHOST, rig);
    let status = succeeds_only_without(measure::FORGERY, &policy(LOCAL, &[WILD]), attack);

    assert_eq!(dropped(&status, "forged-resolver"), 1, "{status:#}");
}

#[test]
fn a_socket_of_another_address_does_not_answer_for_a_resolver_on_the_nodes_address() {
    require_privilege!();
    let settings = format!("virtualRanges: []\ndns: {{resolvers: [{CLIENT_V4}]}}");
    let attack = |rig: &Rig| answer_for(CLIENT_V4, rig);
    let status = succeeds_only_without(measure::FORGERY, &policy(&settings, &[WILD]), attack);

    assert_eq!(dropped(&status, "forged-resolver"), 1, "{status:#}");
}
