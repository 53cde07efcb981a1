//! A map of addresses that answers have filled.

use enforcer_tests::{Peer, Probe, Rig, Zone, probe::Family, require_privilege, wait};

use crate::world::{PATIENCE, PLAIN, RESOLVER, ip, number, policy, probe, serve};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
/// Half of it is for one rule.
const SIZE: u32 = 16;
const ROOM: u32 = SIZE / 2;
const MORE: u32 = 24;

/// Asks for a generated name and connects at once.
fn reaches(rig: &Rig, number: u32) -> bool {
    reaches_name(rig, &Zone::generated_name("wild.test", number))
}

/// Asks for a name and connects at once.
fn reaches_name(rig: &Rig, name: &str) -> bool {
    let resolver = std::net::SocketAddr::new(ip(RESOLVER), 53);
    let by_name = Probe::tcp(ip("0.0.0.0"), 443).by_name(name, Family::V4, resolver);
    let report = probe(rig, &by_name);
    assert!(report.is_reached() || report.is_refused_at_once(), "{name}: {report}");
    report.is_reached()
}

#[test]
fn answers_that_find_no_room_are_counted_and_push_nothing_out() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, Zone::new().with_generated("wild.test", MORE));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let size = SIZE.to_string();
    let agent = rig.launch(&policy(PLAIN, &[WILD]), &["--max-addresses", &size]).unwrap();
    agent.wait_until_ready().unwrap();

    let reached: Vec<u32> = (0..MORE).filter(|number| reaches(&rig, *number)).collect();

    assert_eq!(reached, (0..ROOM).collect::<Vec<_>>(), "those that had room, and no others");
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/addresses"), u64::from(ROOM), "{status:#}");
    assert_eq!(number(&status, "/dns/ignored/quota"), u64::from(MORE - ROOM), "{status:#}");
    wait::until_true("status to say so", PATIENCE, || {
        let status = agent.status().unwrap();
        let problems = status["problems"].as_array().unwrap();
        status["state"] == "degraded"
            && problems.iter().any(|problem| problem.as_str().unwrap().contains("wild"))
    })
    .unwrap();
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(3));
    for number in 0..ROOM {
        let known = probe(&rig, &Probe::tcp(Zone::generated_address(number), 443));
        assert!(known.is_reached(), "the address {number} is lost: {known}");
        assert!(reaches(&rig, number), "the name {number} is lost");
    }
    assert!(!reaches(&rig, MORE - 1));
}

#[test]
fn a_map_without_room_refuses_a_rule_that_has_none_and_loses_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let names: Vec<String> = ["a", "b", "c"].map(|one| format!("{one}.{one}.test")).into();
    let zone = (1..).zip(&names).fold(Zone::new(), |zone, (number, name)| {
        zone.with(name, [ip(&format!("198.18.0.{number}"))])
    });
    let _server = serve(&rig, zone);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let rules = ["a", "b", "c"]
        .map(|one| format!("{{name: {one}, to: [{{fqdn: '*.{one}.test'}}], ports: [tcp/443]}}"));
    let rules = rules.each_ref().map(String::as_str);
    let agent = rig.agent_with(&policy(PLAIN, &rules), &["--max-addresses", "2"]).unwrap();

    let reached: Vec<bool> = names.iter().map(|name| reaches_name(&rig, name)).collect();

    assert_eq!(reached, [true, true, false]);
    wait::until_true("status to say so", PATIENCE, || {
        let status = agent.status().unwrap();
        let problems = status["problems"].as_array().unwrap();
        number(&status, "/dns/ignored/map-full") == 1
            && problems.iter().any(|it| it.as_str().unwrap().contains("nearly full: 2 of 2"))
    })
    .unwrap();
    let said = || agent.log().iter().filter(|line| line.contains("% full")).count();
    wait::until_true("the log to say so", PATIENCE, || said() == 1).unwrap();
    assert!(reaches_name(&rig, &names[0]) && reaches_name(&rig, &names[1]));
    assert_eq!(said(), 1, "{:?}", agent.log());
}
