//! Names whose questions and answers pass an uplink, for whoever has no socket there.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use enforcer_tests::{
    NameServer, Netns, Peer, Probe, Rig, Zone,
    probe::{Family, Transport},
    require_privilege, wait,
};
use nix::sys::signal::Signal;

use super::AUTO;
use crate::{
    pod::pod,
    wire,
    world::{PATIENCE, PLAIN, RESOLVER, ip, number, policy, serve},
};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443, udp/443]}";
const NAME: &str = "a.wild.test";
const ADDRESS: &str = "198.18.0.1";
const SHORT: Duration = Duration::from_millis(500);

fn resolver() -> SocketAddr {
    SocketAddr::new(ip(RESOLVER), 53)
}

fn zone() -> Zone {
    Zone::new().with(NAME, [ip(ADDRESS)]).with("b.wild.test", [ip("198.18.0.2")])
}

/// Asks from a namespace, by a socket that is judged by nobody, and says whether an answer came.
fn ask(namespace: &Netns, name: &str) -> bool {
    let asked = namespace.run(|| {
        let socket = UdpSocket::bind("10.244.0.2:0")?;
        socket.set_read_timeout(Some(SHORT))?;
        socket.send_to(&wire::query(7, &wire::name(name), wire::A), resolver())?;
        Ok(socket.recv_from(&mut [0; 512]).is_ok())
    });
    asked.unwrap()
}

/// Whether a datagram of such a socket is answered.
fn reaches(namespace: &Netns, address: &str) -> bool {
    let reached = namespace.run(|| {
        let socket = UdpSocket::bind("10.244.0.2:0")?;
        socket.set_read_timeout(Some(SHORT))?;
        socket.send_to(b"ping", SocketAddr::new(ip(address), 443))?;
        Ok(socket.recv_from(&mut [0; 16]).is_ok())
    });
    reached.unwrap()
}

#[test]
fn an_answer_to_a_forwarded_question_opens_the_address_at_once_with_the_agent_stopped() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let (_server, _peer) = (serve(&rig, zone()), Peer::udp(&rig.world, 443).unwrap());
    let pod = pod(&rig);
    wait::until_true("control, without enforcer", PATIENCE, || reaches(&pod, ADDRESS)).unwrap();
    let agent = rig.agent_with(&policy(PLAIN, &[WILD]), AUTO).unwrap();
    assert!(!reaches(&pod, ADDRESS), "nobody has asked");
    agent.signal(Signal::SIGSTOP).unwrap();

    assert!(ask(&pod, NAME));

    assert!(reaches(&pod, ADDRESS));
    assert!(!reaches(&pod, "198.18.0.2"), "nobody has asked for that");
    agent.signal(Signal::SIGCONT).unwrap();
    let status = agent.status().unwrap();
    assert_eq!((number(&status, "/dns/asked"), number(&status, "/dns/learned")), (1, 1));
}

#[test]
fn what_nobody_has_asked_teaches_nothing_at_an_uplink() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::udp(&rig.world, 443).unwrap();
    let pod = pod(&rig);
    let agent = rig.agent_with(&policy(PLAIN, &[WILD]), AUTO).unwrap();
    // Of a resolver that stays silent, to which the world's forger listens.
    let forger = rig.world.run(|| Ok(UdpSocket::bind(resolver())?)).unwrap();
    forger.set_read_timeout(Some(PATIENCE)).unwrap();
    let asking = pod.run(|| Ok(UdpSocket::bind("10.244.0.2:5353")?)).unwrap();
    let query = |id, name| wire::query(id, &wire::name(name), wire::A);
    asking.send_to(&query(7, NAME), resolver()).unwrap();
    let (_, from) = forger.recv_from(&mut [0; 512]).unwrap();

    for (id, name) in [(8, NAME), (7, "b.wild.test"), (8, "b.wild.test")] {
        let answer = wire::answer_with(&query(id, name), ip(ADDRESS));
        forger.send_to(&answer, from).unwrap();
    }
    asking.set_read_timeout(Some(PATIENCE)).unwrap();
    asking.recv_from(&mut [0; 512]).unwrap();

    assert!(!reaches(&pod, ADDRESS));
    assert_eq!(number(&agent.status().unwrap(), "/dns/learned"), 0);
}

#[test]
fn what_a_namespace_has_learned_for_itself_the_agent_learns_for_the_uplink() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let pod = pod(&rig);
    // The pod's answer comes from a cache in the node's own namespace: no question of it passes
    // the uplink.
    let server = SocketAddr::new(ip("10.244.0.1"), 53);
    let _cache = NameServer::start(&rig.client, [server], zone()).unwrap();
    let settings = "virtualRanges: []\ndns: {resolvers: [10.244.0.1]}";
    let agent = rig.agent_with(&policy(settings, &[WILD]), AUTO).unwrap();
    let lookup = Probe::lookup(server, NAME, Family::V4, Transport::Udp).patience(PATIENCE);

    let report = rig.probe_from(&pod, &lookup).unwrap();
    assert_eq!(report.addresses(), [ip(ADDRESS)], "{report}");

    let connect = Probe::tcp(ip(ADDRESS), 443).patience(PATIENCE);
    let report = rig.probe_from(&pod, &connect).unwrap();
    assert!(report.is_reached(), "{report}\n{:#}", agent.status().unwrap());
    assert_eq!(number(&agent.status().unwrap(), "/dns/handedOver"), 1);
}
