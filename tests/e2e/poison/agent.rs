//! The agent asks as well, and what it learns counts everywhere: who sees its questions answers
//! them before the resolver does.

use std::net::{SocketAddr, UdpSocket};

use enforcer_tests::{Insider, Packet, Peer, Rig, require_privilege, wait};

use super::{
    GOAL, WILD, ask, asker,
    forged::{send_on_loopback, with_any_source},
    reach, receive, resolver, server, wild_query,
};
use crate::{
    wire,
    world::{PATIENCE, PLAIN, ip, number, policy},
};

const TRUNCATED: u8 = 0x02;

/// Has the agent ask: the kernel hands over what was cut short.
fn have_the_agent_ask(asking: &UdpSocket, server: &UdpSocket) {
    let from = ask(asking, server, &wild_query());
    let mut cut = wire::answer(&wild_query(), 0, &[]);
    cut[2] |= TRUNCATED;
    server.send_to(&cut, from).unwrap();
    receive(asking, &cut);
}

/// The agent's question for an IPv4 address, without what follows the question, and who asks. A
/// packet socket beside the agent sees the same.
fn overhear(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    loop {
        let mut buffer = [0; 2048];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        let name = buffer[12..length].iter().position(|byte| *byte == 0).unwrap();
        let end = 12 + name + 5;
        if buffer[end - 3] == 1 {
            let mut query = buffer[..end].to_vec();
            query[10..12].fill(0);
            return (query, from);
        }
    }
}

/// Answers the agent, which runs where the hooks see it, from the client's own namespace.
fn answer_the_agent(forge: impl Fn(&Insider, &[u8], SocketAddr)) {
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent_inside(&policy(PLAIN, &[WILD])).unwrap();
    let (insider, asking) = asker(&rig);
    let honest = server(&rig, resolver());
    have_the_agent_ask(&asking, &honest);

    let (query, from) = overhear(&honest);
    forge(&insider, &wire::answer_with(&query, ip(GOAL)), from);
    // The resolver's own answer: what comes first is believed.
    honest.send_to(&wire::answer_with(&query, ip("198.18.0.1")), from).unwrap();

    wait::until_true("the agent to have an answer", PATIENCE, || {
        number(&agent.status().unwrap(), "/dns/addresses") > 0
    })
    .unwrap();
    let report = reach(&rig, ip(GOAL));
    assert!(report.is_refused(), "{report}\n{:#}", agent.status().unwrap());
    assert!(reach(&rig, ip("198.18.0.1")).is_reached());
}

#[test]
fn a_socket_with_the_resolvers_address_does_not_answer_the_agent() {
    require_privilege!();
    answer_the_agent(|insider, answer, to| {
        // What egress drops, the caller is told; the attack has then failed.
        drop(with_any_source(insider, resolver()).send_to(answer, to));
    });
}

#[test]
fn a_packet_on_loopback_does_not_answer_the_agent() {
    require_privilege!();
    answer_the_agent(|insider, answer, to| {
        let packet = Packet::ipv4()
            .from(&resolver().ip().to_string())
            .from_port(resolver().port())
            .to(&to.ip().to_string())
            .udp(to.port())
            .payload(answer);
        send_on_loopback(insider, &packet.bytes());
    });
}
