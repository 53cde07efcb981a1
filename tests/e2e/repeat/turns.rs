//! Flows that a socket takes in turns.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use aya::maps::{HashMap, Map, MapData};
use enforcer_common::abi::map;
use enforcer_tests::{
    Agent, Cgroup, NameServer, Peer, Probe, Rig, Zone,
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
const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [udp/9000]}";

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

/// Serves the first address as one of a name that [`WILD`] allows.
fn serve_first(rig: &Rig) -> NameServer {
    serve(rig, Zone::new().with("a.wild.test", [ip(FIRST)]))
}

fn learn_first(rig: &Rig) {
    probe(rig, &Probe::lookup(at(RESOLVER, 53), "a.wild.test", Family::V4, Transport::Udp));
}

/// How many packets the first address is known to have got.
fn packets_of_first(agent: &Agent<'_>) -> u64 {
    let names = agent.names().unwrap();
    let known = names["addresses"].as_array().unwrap().iter();
    let packets = known.filter(|it| it["address"] == FIRST).map(|it| it["packets"].as_u64());
    packets.max().flatten().unwrap()
}

/// Until whatever passes is judged anew: 64 ticks are 640 milliseconds at the most.
fn wait_for_judgement() {
    thread::sleep(Duration::from_millis(800));
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
    let agent = rig.agent(&policy(&settings, &[WILD, OTHER])).unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    learn_first(&rig);
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
    let _server = serve_first(&rig);
    let _peers = peers(&rig);
    let agent = rig.agent(&policy(PLAIN, &[WILD, OTHER])).unwrap();
    learn_first(&rig);
    let socket = socket(&rig);
    let [named, ranged] = both();

    for _ in 0..DATAGRAMS {
        assert!(passes(&socket, ranged) && passes(&socket, named));
    }
    assert!(packets_of_first(&agent) < DATAGRAMS, "each datagram was judged");
    wait_for_judgement();
    assert!(passes(&socket, ranged) && passes(&socket, named));
    assert_eq!(packets_of_first(&agent), DATAGRAMS + 1);

    // Now in a row, then in turns again: both memories are caught up with.
    for _ in 0..DATAGRAMS {
        assert!(passes(&socket, named));
    }
    for _ in 0..DATAGRAMS {
        assert!(passes(&socket, ranged) && passes(&socket, named));
    }
    for _ in 0..2 {
        wait_for_judgement();
        assert!(passes(&socket, ranged) && passes(&socket, named) && passes(&socket, named));
    }
    wait_for_judgement();
    assert!(passes(&socket, named));

    let all = 3 * DATAGRAMS + 6;
    assert_eq!(hits(&agent.status().unwrap(), "wild"), all);
    assert_eq!(packets_of_first(&agent), all);
}

/// A datagram that is cut on its way was whole at its socket.
#[test]
fn a_long_datagram_is_not_judged_again_at_the_uplink() {
    require_privilege!();
    for arguments in modes() {
        let rig = Rig::make().unwrap();
        let _server = serve_first(&rig);
        let _peers = peers(&rig);
        let agent = rig.agent_with(&policy(PLAIN, &[WILD, OTHER]), &arguments).unwrap();
        learn_first(&rig);
        let socket = socket(&rig);
        let [named, ranged] = both();
        let send = || {
            for to in [ranged, named] {
                assert!(!is_refused(socket.send_to(&[7; 3_000], to)), "{arguments:?}");
            }
        };

        for _ in 0..DATAGRAMS {
            send();
        }
        wait_for_judgement();
        send();

        assert_eq!(hits(&agent.status().unwrap(), "wild"), DATAGRAMS + 1, "{arguments:?}");
        assert_eq!(packets_of_first(&agent), DATAGRAMS + 1, "{arguments:?}");
    }
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
