//! Flows that a socket takes in turns.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use aya::maps::{HashMap, Map, MapData};
use enforcer_common::abi::map;
use enforcer_tests::{
    Cgroup, Peer, Probe, Rig, Zone,
    packet::protocol,
    probe::{Family, Transport},
    require_privilege, wait,
};
use nix::sys::signal::Signal;

use super::{
    ALLOWED, DATAGRAMS, OTHER, PAYLOAD, at, is_refused, peers, socket, wait_for_generation,
};
use crate::world::{
    PATIENCE, PLAIN, RESOLVER, dropped, hits, ip, modes, number, policy, probe, serve,
};

const FIRST: &str = "198.18.0.1";
const SECOND: &str = "198.18.0.2";

fn both() -> [SocketAddr; 2] {
    [at(FIRST, 9_000), at(SECOND, 9_001)]
}

/// Whether a datagram passes.
fn passes(socket: &UdpSocket, to: SocketAddr) -> bool {
    !is_refused(socket.send_to(&PAYLOAD, to))
}

/// Takes turns for so long that every flow is known.
fn take_turns(socket: &UdpSocket) {
    for _ in 0..8 {
        assert!(both().iter().all(|to| passes(socket, *to)));
    }
}

#[test]
fn each_datagram_is_counted_once_for_its_rule() {
    require_privilege!();
    for arguments in modes() {
        let rig = Rig::make().unwrap();
        let _peers = peers(&rig);
        let capture = rig.capture().unwrap();
        let third = "{name: third, to: [{cidr: '2001:db8:b::7'}], ports: [udp/9000]}";
        let rules = policy(PLAIN, &[ALLOWED, OTHER, third]);
        let agent = rig.agent_with(&rules, &arguments).unwrap();
        let socket = rig.insider(&rig.client).unwrap().datagrams(at("::", 0)).unwrap();
        let mapped = |to: &str, port| at(&format!("::ffff:{to}"), port);
        let flows = [mapped(FIRST, 9_000), mapped(SECOND, 9_001), at("2001:db8:b::7", 9_000)];

        for _ in 0..DATAGRAMS {
            for flow in flows {
                socket.send_to(&PAYLOAD, flow).unwrap();
            }
        }

        let status = agent.status().unwrap();
        for (index, (rule, header)) in
            [("flow", 28), ("other", 28), ("third", 48)].into_iter().enumerate()
        {
            assert_eq!(hits(&status, rule), DATAGRAMS, "{arguments:?}");
            let bytes = status["rules"][index]["bytes"].as_u64();
            assert_eq!(bytes, Some(DATAGRAMS * (32 + header)), "{rule} {arguments:?}");
        }
        for (to, port) in [(FIRST, 9_000), (SECOND, 9_001), ("2001:db8:b::7", 9_000)] {
            wait::until_true("all to arrive", PATIENCE, || {
                capture.count_to_port(ip(to), protocol::UDP, port) == DATAGRAMS
            })
            .unwrap();
        }
    }
}

#[test]
fn one_is_judged_wherever_else_it_sends() {
    require_privilege!();
    for arguments in modes() {
        let rig = Rig::make().unwrap();
        let _peers = peers(&rig);
        let agent = rig.agent_with(&policy(PLAIN, &[ALLOWED, OTHER]), &arguments).unwrap();
        let socket = socket(&rig);
        let mut refused = 0;

        for _ in 0..50 {
            take_turns(&socket);
            for elsewhere in [at(FIRST, 9_001), at(SECOND, 9_000), at("198.18.0.3", 9_000)] {
                assert!(!passes(&socket, elsewhere), "{elsewhere}");
                refused += 1;
            }
        }
        assert_eq!(dropped(&agent.status().unwrap(), "no-rule"), refused);
    }
}

#[test]
fn one_ends_with_its_rule_at_the_first_packet_and_the_other_goes_on() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peers = peers(&rig);
    let agent = rig.agent(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
    let socket = socket(&rig);
    let [first, second] = both();

    for round in 0..5 {
        take_turns(&socket);
        agent.write_policy(&policy(PLAIN, &[OTHER])).unwrap();
        wait_for_generation(&agent, 2 * round + 2);
        assert!(!passes(&socket, first) && passes(&socket, second), "in round {round}");
        agent.write_policy(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
        wait_for_generation(&agent, 2 * round + 3);
    }
}

#[test]
fn one_to_a_name_ends_with_the_address_while_the_agent_is_stopped() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with("a.wild.test", [ip(FIRST)]).with_ttl("a.wild.test", 1);
    let _server = serve(&rig, zone);
    let _peers = peers(&rig);
    let settings = format!(
        "virtualRanges: []\ndns: {{resolvers: [{RESOLVER}], minTtl: 2s, maxTtl: 2s, grace: 0s}}"
    );
    let wild = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [udp/9000]}";
    let agent = rig.agent(&policy(&settings, &[wild, OTHER])).unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    probe(&rig, &Probe::lookup(at(RESOLVER, 53), "a.wild.test", Family::V4, Transport::Udp));
    let socket = socket(&rig);
    let [named, ranged] = both();
    let mut passed = 0_u32;

    wait::until_true("the address to expire", PATIENCE, || {
        for _ in 0..8 {
            assert!(passes(&socket, ranged));
            if !passes(&socket, named) {
                return true;
            }
            passed += 1;
        }
        thread::sleep(Duration::from_millis(1));
        false
    })
    .unwrap();
    assert!(passed > 0, "it has never passed");
    for _ in 0..50 {
        assert!(passes(&socket, ranged) && !passes(&socket, named));
    }
    agent.signal(Signal::SIGCONT).unwrap();
}

/// What is counted later has not been judged: so this shows as well that the policy is not asked.
#[test]
fn the_packets_of_an_address_are_caught_up_with() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, Zone::new().with("a.wild.test", [ip(FIRST)]));
    let _peers = peers(&rig);
    let wild = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [udp/9000]}";
    let agent = rig.agent(&policy(PLAIN, &[wild, OTHER])).unwrap();
    probe(&rig, &Probe::lookup(at(RESOLVER, 53), "a.wild.test", Family::V4, Transport::Udp));
    let socket = socket(&rig);
    let [named, ranged] = both();
    let most = || {
        let names = agent.names().unwrap();
        let known = names["addresses"].as_array().unwrap().iter();
        known.filter(|it| it["address"] == FIRST).filter_map(|it| it["packets"].as_u64()).max()
    };
    for _ in 0..DATAGRAMS {
        assert!(passes(&socket, ranged) && passes(&socket, named));
    }
    assert!(most() < Some(DATAGRAMS), "each datagram was judged");

    // Judged anew: 64 ticks are 640 milliseconds at the most.
    thread::sleep(Duration::from_millis(800));
    assert!(passes(&socket, ranged) && passes(&socket, named));

    assert_eq!(most(), Some(DATAGRAMS + 1));
    assert_eq!(hits(&agent.status().unwrap(), "wild"), DATAGRAMS + 1);
}

/// Both sockets have the same address and port, one after the other.
#[test]
fn those_of_a_socket_are_not_those_of_another_in_its_place() {
    require_privilege!();
    for arguments in modes() {
        let rig = Rig::make().unwrap();
        let _peers = peers(&rig);
        let inside = rig.workload.child("inside").unwrap();
        let outside = rig.workload.child("outside").unwrap();
        let from = format!("from: [{{cgroup: '{}'}}]", inside.policy_path());
        let rule = |name: &str, to: &SocketAddr| {
            format!(
                "{{name: {name}, {from}, to: [{{cidr: {}}}], ports: [udp/{}]}}",
                to.ip(),
                to.port()
            )
        };
        let [first, second] = both();
        let rules = policy(PLAIN, &[&rule("first", &first), &rule("second", &second)]);
        let _agent = rig.agent_with(&rules, &arguments).unwrap();
        let of = |cgroup: &Cgroup| {
            let insider = rig.insider_in(cgroup, &rig.client).unwrap();
            insider.datagrams(at("0.0.0.0", 40_000)).unwrap()
        };

        for _ in 0..3 {
            take_turns(&of(&inside));
            let other = of(&outside);
            assert!(!passes(&other, first) && !passes(&other, second), "{arguments:?}");
        }
    }
}

/// The memory of an entry may be another flow's by the time that it is read, so when it was judged
/// is there with a number added that only its own key tells: nobody reads it without.
#[test]
fn what_is_remembered_says_nothing_without_its_key() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peers = peers(&rig);
    let agent = rig.agent(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
    take_turns(&socket(&rig));
    let pin = rig.pins().join("current/maps").join(map::PASSED);
    let table = Map::LruHashMap(MapData::from_pin(pin).unwrap());

    let table = HashMap::<_, [u8; 48], [u64; 4]>::try_from(&table).unwrap();
    let judged: Vec<u64> = table.iter().map(|entry| entry.unwrap().1[0] >> 40).collect();

    let generation = number(&agent.status().unwrap(), "/policy/generation");
    assert_eq!(judged.len(), 2, "{judged:?}");
    assert!(judged[0] != judged[1] && !judged.contains(&generation), "{judged:?}");
}

/// More destinations than the table has room for, so that flows come and go in it.
#[test]
fn no_room_costs_time_and_no_datagram() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::udp(&rig.world, 9_000).unwrap();
    let wide = "{name: wide, to: [{cidr: 198.18.0.0/16}], ports: [udp/9000]}";
    let agent = rig.agent(&policy(PLAIN, &[wide])).unwrap();
    let socket = socket(&rig);
    let flows = || {
        (0..20_000_u32).map(|one| {
            let [_, _, third, fourth] = one.to_be_bytes();
            SocketAddr::from(([198, 18, third, fourth], 9_000))
        })
    };

    for _ in 0..3 {
        assert!(flows().all(|flow| passes(&socket, flow)));
        assert!(!passes(&socket, at("198.19.0.1", 9_000)));
    }
    assert_eq!(hits(&agent.status().unwrap(), "wide"), 60_000);
}
