//! A connection outlives the expiry of its name's address, and not its rule.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use enforcer_tests::{
    Peer, Probe, Rig, Zone,
    probe::{Family, Transport},
    require_privilege, wait,
};

use crate::world::{PATIENCE, PLAIN, RESOLVER, hits, ip, policy, probe, serve};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const OTHER: &str = "{name: other, to: [{fqdn: '*.other.test'}], ports: [tcp/443]}";

#[test]
fn a_connection_outlives_the_expiry_of_its_address_and_not_its_rule() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with("a.wild.test", [ip("198.18.0.1")]).with_ttl("a.wild.test", 1);
    let _server = serve(&rig, zone);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let settings = format!(
        "virtualRanges: []\ndns: {{resolvers: [{RESOLVER}], minTtl: 2s, maxTtl: 2s, grace: 1s}}"
    );
    let agent = rig.agent(&policy(&settings, &[WILD])).unwrap();
    let resolver = SocketAddr::new(ip(RESOLVER), 53);
    probe(&rig, &Probe::lookup(resolver, "a.wild.test", Family::V4, Transport::Udp));
    let insider = rig.insider(&rig.client).unwrap();
    let mut stream = insider.stream(SocketAddr::new(ip("198.18.0.1"), 443)).unwrap();

    wait::until_true("the address to expire", PATIENCE, || {
        probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_refused_at_once()
    })
    .unwrap();

    let mut bytes = [0; 4];
    let mut exchange = || stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut bytes));
    exchange().unwrap();
    // Another rule comes, which is nothing to this one.
    agent.write_policy(&policy(&settings, &[WILD, OTHER])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();
    exchange().unwrap();
    agent.write_policy(&policy(&settings, &[OTHER])).unwrap();
    agent.wait_for_line("generation 3", |line| line.contains("generation=3")).unwrap();
    exchange().unwrap_err();
}

#[test]
fn a_rule_that_loses_a_range_ends_what_it_admitted_there_and_goes_on_for_the_rest() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let rule = |ranges: &str| {
        let to: Vec<_> = ranges.split(' ').map(|range| format!("{{cidr: {range}}}")).collect();
        policy(PLAIN, &[&format!("{{name: web, to: [{}], ports: [tcp/443]}}", to.join(", "))])
    };
    let agent = rig.agent(&rule("198.18.0.1 198.18.0.2 198.19.0.0/24")).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let mut streams = ["198.18.0.1", "198.18.0.2", "198.19.0.7"]
        .map(|to| insider.stream(SocketAddr::new(ip(to), 443)).unwrap());
    let mut exchange = |index: usize| {
        let mut bytes = [0; 4];
        let stream = &mut streams[index];
        stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut bytes))
    };
    (0..3).for_each(|index| exchange(index).unwrap());
    let before = hits(&agent.status().unwrap(), "web");

    agent.write_policy(&rule("198.18.0.2 198.18.0.3 198.19.0.0/25 198.18.0.4")).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    exchange(0).unwrap_err();
    exchange(1).unwrap();
    exchange(2).unwrap();
    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_refused());
    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.3"), 443)).is_reached());
    // It is the same rule: its count goes on.
    assert!(hits(&agent.status().unwrap(), "web") > before);
}

#[test]
fn a_connection_that_is_made_while_its_range_is_removed_does_not_outlive_it() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    // So many that their removal takes a while, in which the new policy is in force already.
    let many: Vec<String> = (0..40_000_u32)
        .map(|number| format!("{{cidr: {}}}", Ipv4Addr::from(0xc612_0000 + number)))
        .collect();
    let rule = |to: &str| policy(PLAIN, &[&format!("{{name: web, to: [{to}], ports: [tcp/443]}}")]);
    let last = SocketAddr::from((Ipv4Addr::from(0xc612_0000 + 39_999), 443));
    let agent = rig.agent(&rule(&many.join(", "))).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let log = agent.log_length();
    agent.write_policy(&rule("{cidr: 198.51.100.1}")).unwrap();

    let mut streams = Vec::new();
    let is_in_force = || agent.log_after(log).iter().any(|line| line.contains("generation=2"));
    while !is_in_force() {
        streams.extend(insider.stream(last).ok());
        // The newest are those that count.
        if streams.len() > 60 {
            streams.drain(..20);
        }
    }

    assert!(!streams.is_empty(), "nothing was connected before");
    for mut stream in streams {
        // Who is answered at all is so at once.
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut bytes = [0; 4];
        let exchanged = stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut bytes));
        exchanged.unwrap_err();
    }
}
