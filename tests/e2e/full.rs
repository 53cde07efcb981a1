//! A map of addresses that answers have filled.

use enforcer_tests::{Peer, Probe, Rig, Zone, probe::Family, require_privilege, wait};

use crate::world::{PATIENCE, PLAIN, RESOLVER, ip, number, policy, probe, serve};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const ROOM: u32 = 16;
const MORE: u32 = 24;

/// Asks for a generated name and connects at once.
fn reaches(rig: &Rig, number: u32) -> bool {
    let name = Zone::generated_name("wild.test", number);
    let resolver = std::net::SocketAddr::new(ip(RESOLVER), 53);
    let by_name = Probe::tcp(ip("0.0.0.0"), 443).by_name(&name, Family::V4, resolver);
    let report = probe(rig, &by_name);
    assert!(report.is_reached() || report.is_refused_at_once(), "{name}: {report}");
    report.is_reached()
}

#[test]
fn answers_that_find_the_address_map_full_are_counted_and_push_nothing_out() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, Zone::new().with_generated("wild.test", MORE));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let room = ROOM.to_string();
    let agent = rig.launch(&policy(PLAIN, &[WILD]), &["--max-addresses", &room]).unwrap();
    agent.wait_until_ready().unwrap();

    let reached: Vec<u32> = (0..MORE).filter(|number| reaches(&rig, *number)).collect();

    assert_eq!(reached, (0..ROOM).collect::<Vec<_>>(), "those that had room, and no others");
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/addresses"), u64::from(ROOM), "{status:#}");
    assert_eq!(number(&status, "/dns/ignored/map-full"), u64::from(MORE - ROOM), "{status:#}");
    wait::until_true("status to say so", PATIENCE, || {
        let status = agent.status().unwrap();
        let problems = status["problems"].as_array().unwrap();
        status["state"] == "degraded"
            && problems.iter().any(|problem| problem.as_str().unwrap().contains("full"))
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
