//! Names are learned in the kernel: by whoever asks, before the answer reaches the one who asked.

use enforcer_tests::{
    Peer, Probe, Rig, Zone,
    nameserver::Behaviour,
    probe::{Family, Transport},
    require_privilege, wait,
};

use crate::world::{PATIENCE, PLAIN, RESOLVER, ip, number, policy, probe, serve};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";

fn resolver() -> std::net::SocketAddr {
    std::net::SocketAddr::new(ip(RESOLVER), 53)
}

/// Asks for a name and connects to what the answer says, in one process.
fn by_name(name: &str, family: Family) -> Probe {
    Probe::tcp(ip("0.0.0.0"), 443).by_name(name, family, resolver())
}

fn zone() -> Zone {
    Zone::new()
        .with("a.wild.test", [ip("198.18.0.1"), ip("2001:db8:7::1")])
        .with("b.c.wild.test", [ip("198.18.0.2"), ip("2001:db8:7::2")])
        .with("wild.test", [ip("198.18.0.3"), ip("2001:db8:7::3")])
        .with("evilwild.test", [ip("198.18.0.4"), ip("2001:db8:7::4")])
        .with_alias("cdn.wild.test", "edge.cdn.example")
        .with("edge.cdn.example", [ip("198.18.0.5"), ip("2001:db8:7::5")])
        .with("gone.wild.test", [ip("198.18.0.6")])
        .with_behaviour("gone.wild.test", Behaviour::NxDomain)
        .with("cut.wild.test", [ip("198.18.0.7")])
        .with_behaviour("cut.wild.test", Behaviour::TruncateUdp)
}

#[test]
fn a_name_under_a_wildcard_is_reached_in_the_next_call_and_its_neighbours_are_not() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();

    for family in [Family::V4, Family::V6] {
        for name in ["a.wild.test", "B.c.WILD.test", "cdn.wild.test"] {
            let report = probe(&rig, &by_name(name, family));
            assert!(report.is_reached(), "{name} {family:?}: {report}");
        }
        for name in ["wild.test", "evilwild.test", "edge.cdn.example"] {
            let report = probe(&rig, &by_name(name, family));
            // What the alias leads to was learned for the name that was asked before.
            let is_open = name == "edge.cdn.example";
            assert_eq!(report.is_reached(), is_open, "{name} {family:?}: {report}");
        }
    }
    assert_eq!(peer.arrived(), 8);
    let names = agent.names().unwrap();
    let addresses = names["addresses"].as_array().unwrap();
    assert_eq!(addresses.len(), 6, "{names:#}");
    assert!(addresses.iter().any(|entry| entry["names"][0] == "b.c.wild.test"), "{names:#}");
    let status = agent.status().unwrap();
    assert!(number(&status, "/dns/learned") >= 6, "{status:#}");
}

#[test]
fn names_are_learned_with_the_agent_stopped() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();
    agent.kill().unwrap();

    assert!(probe(&rig, &by_name("a.wild.test", Family::V4)).is_reached());
    assert!(probe(&rig, &by_name("evilwild.test", Family::V4)).is_refused());
}

#[test]
fn an_answer_over_tcp_is_learned() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();

    let lookup = Probe::lookup(resolver(), "a.wild.test", Family::V4, Transport::Tcp);
    assert!(probe(&rig, &lookup).is_reached());

    let report = probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443));
    assert!(report.is_reached(), "{report}\n{:#}", agent.status().unwrap());
}

#[test]
fn the_agent_asks_what_the_kernel_cannot_take() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();

    let lookup = Probe::lookup(resolver(), "cut.wild.test", Family::V4, Transport::Udp);
    assert!(probe(&rig, &lookup).is_reached());

    wait::until_true("the agent to ask", PATIENCE, || {
        probe(&rig, &Probe::tcp(ip("198.18.0.7"), 443)).is_reached()
    })
    .unwrap();
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/handedOver"), 1, "{status:#}");
}
