//! An answer whose second fragment is another one's.

use std::{net::SocketAddr, os::fd::AsRawFd as _};

use enforcer_common::measure;
use enforcer_tests::{
    NameServer, Packet, Peer, Rig, Zone, nameserver::Behaviour, require_privilege, wait,
};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};

use super::{
    GOAL, WILD, asker, ignored, reach, receive, resolver, succeeds_only_without, wild_query,
};
use crate::{
    wire,
    world::{PATIENCE, PLAIN, ip, number, policy, serve},
};

const UDP_HEADER_BYTES: usize = 8;
/// Where the second piece begins in the datagram: on a link of the smallest usual size.
const CUT: usize = 1_248;
/// Which pieces belong together.
const FRAGMENT_ID: u32 = 0x4242;

/// A resolver that is silent about the name until it is told to answer.
fn silent(rig: &Rig) -> NameServer {
    let zone = Zone::new()
        .with("a.wild.test", [ip("198.18.0.1")])
        .with_behaviour("a.wild.test", Behaviour::Silence);
    serve(rig, zone)
}

/// Sends a piece of a datagram from the resolver's address; who is on the path can.
fn send_piece(rig: &Rig, packet: &Packet, to: SocketAddr) {
    let raw = rig.world.run(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Raw)?)
    });
    let to = SockaddrStorage::from(SocketAddr::new(to.ip(), 0));
    sendto(raw.unwrap().as_raw_fd(), &packet.bytes(), &to, MsgFlags::empty()).unwrap();
}

/// The resolver's answer is cut in two on its way, and its second piece, which holds the address,
/// comes from somebody else.
fn replace_second_fragment(rig: &Rig) {
    let (_insider, asking) = asker(rig);
    asking.connect(resolver()).unwrap();
    asking.send(&wild_query()).unwrap();
    let to = asking.local_addr().unwrap();
    let filler = [[200; 1].as_slice(), &[b'x'; 200]].concat();
    let mut records = vec![wire::record(&wire::ASKED, wire::TXT, &filler); 7];
    records.push(wire::address_of(&wire::ASKED, ip(GOAL)));
    let answer = wire::answer(&wild_query(), 0, &records);
    let piece = |offset: usize, has_more| {
        let offset = u16::try_from(offset).unwrap();
        Packet::ipv4().from("203.0.113.53").to("192.0.2.2").fragment(FRAGMENT_ID, offset, has_more)
    };
    // No checksum: a header that says so needs none (RFC 768).
    let whole = Packet::ipv4().from_port(53).udp(to.port()).payload(&answer).bytes();
    let header = &whole[20..20 + UDP_HEADER_BYTES];
    let (first, second) = answer.split_at(CUT - UDP_HEADER_BYTES);
    let first = [header, first].concat();
    send_piece(rig, &piece(0, true).protocol(17).payload(&first), to);
    send_piece(rig, &piece(CUT, false).protocol(17).payload(second), to);
    receive(&asking, &answer);
}

#[test]
fn an_answer_that_may_be_of_two_senders_teaches_nothing() {
    require_privilege!();
    let status = succeeds_only_without(measure::FRAGMENTS, &policy(PLAIN, &[WILD]), |rig| {
        let _server = silent(rig);
        replace_second_fragment(rig);
    });

    assert_eq!(ignored(&status, "fragmentable"), 1, "{status:#}");
    assert_eq!(number(&status, "/dns/handedOver"), 1, "{status:#}");
}

#[test]
fn the_agent_asks_the_resolver_what_fragments_did_not_teach() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let server = silent(&rig);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();
    replace_second_fragment(&rig);

    server.change(|zone| zone.behave("a.wild.test", Behaviour::Answer));

    wait::until_true("the agent to ask", PATIENCE, || reach(&rig, ip("198.18.0.1")).is_reached())
        .unwrap();
    assert!(reach(&rig, ip(GOAL)).is_refused());
}
