//! Audit mode: everything passes and is counted as a drop would be.

use enforcer_tests::{Packet, Peer, Probe, Rig, require_privilege};

use crate::world::{PLAIN, dropped, hits, ip, number, policy, probe};

const RULES: &[&str] = &[
    "{name: no, action: deny, to: [{cidr: 203.0.113.66}], ports: [udp/any]}",
    "{name: time, to: [{cidr: 203.0.113.0/24}, {cidr: '2001:db8:7::/64'}], ports: [udp/123]}",
];

/// Datagrams only: each is one packet however it ends, so that counts compare.
fn send_all(rig: &Rig) -> Vec<bool> {
    let orphan = Packet::ipv4().to("203.0.113.7").fragment(9, 64, false).udp(123);
    let probes = [
        Probe::udp(ip("203.0.113.7"), 123),
        Probe::udp(ip("203.0.113.66"), 123),
        Probe::udp(ip("203.0.113.7"), 124),
        Probe::udp(ip("198.18.0.1"), 123),
        Probe::udp(ip("2001:db8:7::7"), 123),
        Probe::udp(ip("2001:db8:8::7"), 123),
        Probe::ping(ip("198.18.0.1")),
        Probe::ping(ip("2001:db8:8::7")),
    ];
    let reached = probes.iter().map(|one| probe(rig, one).is_reached()).collect();
    drop(probe(rig, &Probe::raw(ip("203.0.113.7"), orphan.bytes())));
    reached
}

/// Reached or not, then the counts: totals, rules, reasons.
fn run(mode: &str) -> (Vec<bool>, Vec<u64>) {
    let rig = Rig::make().unwrap();
    let _peers = [123, 124].map(|port| Peer::udp(&rig.world, port).unwrap());
    let agent = rig.agent(&policy(&format!("mode: {mode}\n{PLAIN}"), RULES)).unwrap();
    let reached = send_all(&rig);
    let status = agent.status().unwrap();
    let counts = vec![
        number(&status, "/totals/deniedPackets"),
        number(&status, "/totals/deniedBytes"),
        hits(&status, "no"),
        hits(&status, "time"),
        dropped(&status, "no-rule"),
        dropped(&status, "rule"),
        dropped(&status, "orphan-fragment"),
    ];
    let state = if mode == "audit" { "auditing" } else { "enforcing" };
    assert_eq!(status["state"], state);
    (reached, counts)
}

#[test]
fn passes_everything_and_counts_the_same_packets() {
    require_privilege!();

    let (enforced, drops) = run("enforce");
    let (audited, would_be_drops) = run("audit");

    assert_eq!(enforced, [true, false, false, false, true, false, false, false]);
    assert!(audited.iter().all(|reached| *reached), "{audited:?}");
    assert_eq!(drops, would_be_drops);
    assert_eq!(drops[0], 7, "six refused probes and the orphan: {drops:?}");
}

#[test]
fn a_reload_from_audit_to_enforce_takes_effect() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::udp(&rig.world, 123).unwrap();
    let agent = rig.agent(&policy(&format!("mode: audit\n{PLAIN}"), RULES)).unwrap();
    let refused = Probe::udp(ip("198.18.0.1"), 123);
    assert!(probe(&rig, &refused).is_reached());

    agent.write_policy(&policy(&format!("mode: enforce\n{PLAIN}"), RULES)).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    assert!(probe(&rig, &refused).is_refused_at_once());
}
