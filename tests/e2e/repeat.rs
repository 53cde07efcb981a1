//! A flow passes without being judged packet by packet, and nothing else does.

mod turns;

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use enforcer_tests::{
    Agent, Peer, Probe, Rig, Zone,
    packet::protocol,
    probe::{Family, Transport},
    require_privilege, wait,
};
use nix::sys::signal::Signal;

use crate::world::{
    PATIENCE, PLAIN, RESOLVER, dropped, hits, ip, modes, number, policy, probe, serve,
};

const ALLOWED: &str = "{name: flow, to: [{cidr: 198.18.0.1/32}], ports: [udp/9000]}";
const OTHER: &str = "{name: other, to: [{cidr: 198.18.0.2/32}], ports: [udp/9001]}";
const DATAGRAMS: u64 = 3_000;
const MIXED: u32 = 30_000;
const PAYLOAD: [u8; 32] = [7; 32];

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

fn socket(rig: &Rig) -> UdpSocket {
    rig.insider(&rig.client).unwrap().datagrams(at("0.0.0.0", 0)).unwrap()
}

/// Somebody who answers: a datagram to nobody would come back as an error of the next one.
fn peers(rig: &Rig) -> [Peer; 2] {
    [9_000, 9_001].map(|port| Peer::udp(&rig.world, port).unwrap())
}

fn is_refused(sent: io::Result<usize>) -> bool {
    match sent {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => true,
        Err(error) => panic!("send: {error}"),
    }
}

fn wait_for_generation(agent: &Agent<'_>, generation: u64) {
    let wanted = format!("generation={generation}");
    agent.wait_for_line(&wanted, |line| line.contains(&wanted)).unwrap();
}

#[test]
fn each_datagram_of_a_flow_is_counted_once() {
    require_privilege!();
    for arguments in modes() {
        let rig = Rig::make().unwrap();
        let _peers = peers(&rig);
        let capture = rig.capture().unwrap();
        let agent = rig.agent_with(&policy(PLAIN, &[ALLOWED]), &arguments).unwrap();
        let socket = socket(&rig);
        socket.connect(at("198.18.0.1", 9_000)).unwrap();

        for _ in 0..DATAGRAMS {
            socket.send(&PAYLOAD).unwrap();
        }

        let status = agent.status().unwrap();
        assert_eq!(hits(&status, "flow"), DATAGRAMS, "{arguments:?}");
        let rules = status["rules"].as_array().unwrap();
        // A header of IPv4 and one of UDP.
        assert_eq!(rules[0]["bytes"].as_u64(), Some(DATAGRAMS * (32 + 28)), "{arguments:?}");
        // The kernel's own packets (group memberships, neighbours) are among the totals as well.
        let implicit = status["implicit"].as_array().unwrap().iter();
        let own: u64 = implicit.map(|rule| rule["packets"].as_u64().unwrap()).sum();
        assert_eq!(number(&status, "/totals/allowedPackets"), DATAGRAMS + own, "{status:#}");
        wait::until_true("all to arrive", PATIENCE, || {
            capture.count_to_port(ip("198.18.0.1"), protocol::UDP, 9_000) == DATAGRAMS
        })
        .unwrap();
    }
}

#[test]
fn a_socket_whose_flow_passes_is_judged_wherever_else_it_sends() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peers = peers(&rig);
    let agent = rig.agent(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
    let socket = socket(&rig);
    let connected = at("198.18.0.1", 9_000);
    socket.connect(connected).unwrap();
    let flow = || {
        for _ in 0..8 {
            assert!(!is_refused(socket.send(&PAYLOAD)));
        }
    };

    let mut refused = 0;
    for _ in 0..50 {
        flow();
        for elsewhere in [at("198.18.0.1", 9_001), at("198.18.0.2", 9_000), at("198.18.0.3", 9_000)]
        {
            assert!(is_refused(socket.send_to(&PAYLOAD, elsewhere)), "{elsewhere}");
            refused += 1;
        }
        assert!(!is_refused(socket.send_to(&PAYLOAD, at("198.18.0.2", 9_001))));
        flow();
    }
    assert_eq!(dropped(&agent.status().unwrap(), "no-rule"), refused);
}

#[test]
fn a_flow_ends_with_its_rule_at_the_first_packet() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peers = peers(&rig);
    let agent = rig.agent(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
    let socket = socket(&rig);
    socket.connect(at("198.18.0.1", 9_000)).unwrap();

    for round in 0..5 {
        for _ in 0..8 {
            assert!(!is_refused(socket.send(&PAYLOAD)));
        }
        agent.write_policy(&policy(PLAIN, &[OTHER])).unwrap();
        wait_for_generation(&agent, 2 * round + 2);
        assert!(is_refused(socket.send(&PAYLOAD)), "in round {round}");
        agent.write_policy(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();
        wait_for_generation(&agent, 2 * round + 3);
    }
}

#[test]
fn a_flow_to_a_name_ends_with_the_address_while_the_agent_is_stopped() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with("a.wild.test", [ip("198.18.0.1")]).with_ttl("a.wild.test", 1);
    let _server = serve(&rig, zone);
    let _peers = peers(&rig);
    let settings = format!(
        "virtualRanges: []\ndns: {{resolvers: [{RESOLVER}], minTtl: 2s, maxTtl: 2s, grace: 0s}}"
    );
    let wild = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [udp/9000]}";
    let agent = rig.agent(&policy(&settings, &[wild])).unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    probe(&rig, &Probe::lookup(at(RESOLVER, 53), "a.wild.test", Family::V4, Transport::Udp));
    let socket = socket(&rig);
    socket.connect(at("198.18.0.1", 9_000)).unwrap();
    let mut passed = 0_u32;

    wait::until_true("the address to expire", PATIENCE, || {
        for _ in 0..8 {
            if is_refused(socket.send(&PAYLOAD)) {
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
        assert!(is_refused(socket.send(&PAYLOAD)));
    }
    agent.signal(Signal::SIGCONT).unwrap();
}

#[test]
fn the_packets_of_an_address_are_caught_up_with() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with("a.wild.test", [ip("198.18.0.1")]);
    let _server = serve(&rig, zone);
    let _peers = peers(&rig);
    let wild = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [udp/9000]}";
    let agent = rig.agent(&policy(PLAIN, &[wild])).unwrap();
    probe(&rig, &Probe::lookup(at(RESOLVER, 53), "a.wild.test", Family::V4, Transport::Udp));
    let socket = socket(&rig);
    socket.connect(at("198.18.0.1", 9_000)).unwrap();
    for _ in 0..DATAGRAMS {
        socket.send(&PAYLOAD).unwrap();
    }

    // Judged anew: 64 ticks are 640 milliseconds at the most.
    thread::sleep(Duration::from_millis(800));
    socket.send(&PAYLOAD).unwrap();

    let names = agent.names().unwrap();
    let known = names["addresses"].as_array().unwrap();
    let packets: Vec<_> = known
        .iter()
        .filter(|it| it["address"] == "198.18.0.1" && it["packets"] != 0)
        .map(|it| it["packets"].as_u64().unwrap())
        .collect();
    assert!(!packets.is_empty() && packets.iter().all(|it| *it == DATAGRAMS + 1), "{names:#}");
    assert_eq!(hits(&agent.status().unwrap(), "wild"), DATAGRAMS + 1);
}

/// Two threads have the socket remember one flow and another, as fast as they can; a third sends to
/// the address of one at the port of the other.
#[test]
fn two_flows_of_one_socket_do_not_make_a_third() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let capture = rig.capture().unwrap();
    let socket = socket(&rig);
    let mixtures = [at("198.18.0.1", 9_001), at("198.18.0.2", 9_000)];
    let arrived = || {
        let count = |to: &SocketAddr| capture.count_to_port(to.ip(), protocol::UDP, to.port());
        mixtures.iter().map(count).sum::<u64>()
    };
    for mixture in mixtures {
        socket.send_to(&PAYLOAD, mixture).unwrap();
    }
    wait::until_true("a control to arrive", PATIENCE, || arrived() == 2).unwrap();
    let _agent = rig.agent(&policy(PLAIN, &[ALLOWED, OTHER])).unwrap();

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for flow in [at("198.18.0.1", 9_000), at("198.18.0.2", 9_001)] {
            let (socket, is_over) = (&socket, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    for _ in 0..4 {
                        assert!(!is_refused(socket.send_to(&PAYLOAD, flow)));
                    }
                }
            });
        }
        let all_refused = (0..MIXED)
            .flat_map(|_| mixtures)
            .all(|mixture| is_refused(socket.send_to(&PAYLOAD, mixture)));
        is_over.store(true, Ordering::Relaxed);
        assert!(all_refused);
    });
    assert_eq!(arrived(), 2);
}
