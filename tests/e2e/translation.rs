//! The resolver's address is one that the node translates, as a Kubernetes service address is.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use enforcer_tests::{
    NameServer, Netns, Peer, Probe, Report, Rig, Zone,
    probe::{Family, Transport},
    require_privilege,
};

use crate::{
    wire,
    world::{dropped, ip, number, policy, probe},
};

const SETTINGS: &str = "virtualRanges: [10.96.0.0/12]\ndns: {resolvers: [10.96.0.10]}";
const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const EXACT: &str = "{name: exact, to: [{fqdn: exact.test}], ports: [tcp/443]}";

/// How long a refused probe waits.
const SHORT: Duration = Duration::from_millis(500);

fn service() -> SocketAddr {
    "10.96.0.10:53".parse().unwrap()
}

fn backend() -> SocketAddr {
    "203.0.113.53:5353".parse().unwrap()
}

fn zone() -> Zone {
    Zone::new().with("a.wild.test", [ip("198.18.0.1")]).with("exact.test", [ip("198.18.0.2")])
}

/// The service address leads to the backend: what this namespace sends, and what it forwards.
fn translate(namespace: &Netns) {
    let mut rules = vec!["add table ip nat".to_owned()];
    for (hook, kind) in [("output", "-100"), ("prerouting", "-100"), ("postrouting", "100")] {
        rules.push(format!("add chain ip nat {hook} {{ type nat hook {hook} priority {kind} ; }}"));
    }
    for hook in ["output", "prerouting"] {
        for protocol in ["udp", "tcp"] {
            rules.push(format!(
                "add rule ip nat {hook} ip daddr {} {protocol} dport 53 dnat to {}",
                service().ip(),
                backend()
            ));
        }
    }
    rules.push("add rule ip nat postrouting ip saddr 10.244.0.0/16 masquerade".to_owned());
    let done = namespace.output(Command::new("nft").arg(rules.join("; "))).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn serve(rig: &Rig) -> NameServer {
    NameServer::start(&rig.world, [backend()], zone()).unwrap()
}

fn lookup(server: SocketAddr, transport: Transport) -> Probe {
    Probe::lookup(server, "a.wild.test", Family::V4, transport).patience(SHORT)
}

fn reach(address: &str) -> Probe {
    Probe::tcp(ip(address), 443).patience(SHORT)
}

#[test]
fn a_service_address_of_the_resolver_is_asked_and_learned_from() {
    require_privilege!();
    for transport in [Transport::Udp, Transport::Tcp] {
        let rig = Rig::make().unwrap();
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        translate(&rig.client);
        let server = serve(&rig);
        let agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

        let report = probe(&rig, &lookup(service(), transport));
        assert_eq!(report.addresses(), [ip("198.18.0.1")], "{transport:?}: {report}");

        let report = probe(&rig, &reach("198.18.0.1"));
        assert!(report.is_reached(), "{transport:?}: {report}\n{:#}", agent.status().unwrap());
        assert_eq!(server.queries(), 1, "nobody asked again");
        let status = agent.status().unwrap();
        assert_eq!(number(&status, "/dns/handedOver"), 0, "{status:#}");
    }
}

#[test]
fn a_datagram_of_an_unconnected_socket_to_the_service_address_is_answered_and_learned_from() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    translate(&rig.client);
    let _server = serve(&rig);
    let agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.datagrams((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();

    socket.send_to(&wire::query(1, &wire::name("a.wild.test"), wire::A), service()).unwrap();
    let (_, from) = socket.recv_from(&mut [0; 512]).unwrap();

    assert_eq!(from, service());
    let report = probe(&rig, &reach("198.18.0.1"));
    assert!(report.is_reached(), "{report}\n{:#}", agent.status().unwrap());
}

#[test]
fn the_server_behind_the_service_address_is_not_reached_by_its_own() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    translate(&rig.client);
    let server = serve(&rig);
    let agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    for transport in [Transport::Udp, Transport::Tcp] {
        let report = probe(&rig, &lookup(backend(), transport));
        assert!(report.is_refused(), "{transport:?}: {report}");
    }
    assert_eq!(server.queries(), 0);
    assert!(dropped(&agent.status().unwrap(), "no-rule") > 0);
}

/// A network namespace behind the client's, which forwards for it.
fn pod(rig: &Rig, number: u8) -> Netns {
    let pod = Netns::make().unwrap();
    let (own, gateway) = (format!("10.244.{number}.2"), format!("10.244.{number}.1"));
    let device = format!("pod{number}");
    rig.client.set("ipv4/ip_forward", "1").unwrap();
    rig.client
        .configure([
            format!("link add {device} type veth peer name eth0 netns {}", pod.path()),
            format!("addr add {gateway}/24 dev {device}"),
            format!("link set {device} up"),
        ])
        .unwrap();
    pod.configure([
        format!("addr add {own}/24 dev eth0"),
        "link set eth0 up".to_owned(),
        format!("route add default via {gateway}"),
    ])
    .unwrap();
    pod
}

fn from(rig: &Rig, pod: &Netns, probe: &Probe) -> Report {
    rig.probe_from(pod, probe).unwrap()
}

#[test]
fn what_a_pod_asks_opens_its_own_namespace_and_no_other() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    translate(&rig.client);
    let (asking, other) = (pod(&rig, 1), pod(&rig, 2));
    let _server = serve(&rig);
    for pod in [&asking, &other] {
        let report = from(&rig, pod, &reach("198.18.0.1"));
        assert!(report.is_reached(), "control, without enforcer: {report}");
    }
    let agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    let report = from(&rig, &asking, &lookup(service(), Transport::Udp));
    assert_eq!(report.addresses(), [ip("198.18.0.1")], "{report}");

    let report = from(&rig, &asking, &reach("198.18.0.1"));
    assert!(report.is_reached(), "{report}\n{:#}", agent.status().unwrap());
    for namespace in [&other, &rig.client] {
        let report = from(&rig, namespace, &reach("198.18.0.1"));
        assert!(report.is_refused(), "{report}");
    }
}

#[test]
fn the_agents_own_names_are_open_in_every_namespace() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    translate(&rig.client);
    let pods = [pod(&rig, 1), pod(&rig, 2)];
    let _server = serve(&rig);
    let _agent = rig.agent(&policy(SETTINGS, &[EXACT])).unwrap();

    for namespace in [&pods[0], &pods[1], &rig.client] {
        let report = from(&rig, namespace, &reach("198.18.0.2"));
        assert!(report.is_reached(), "{report}");
        let report = from(&rig, namespace, &reach("198.18.0.3"));
        assert!(report.is_refused(), "{report}");
    }
}

#[test]
fn a_pod_that_translates_for_itself_reaches_nothing_in_the_resolvers_name() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let peer = Peer::tcp(&rig.world, 443).unwrap();
    translate(&rig.client);
    let pod = pod(&rig, 1);
    let rules = "add table ip nat; \
         add chain ip nat output { type nat hook output priority -100 ; }; \
         add rule ip nat output ip daddr 10.96.0.10 tcp dport 53 dnat to 198.18.66.66:443";
    let done = pod.output(Command::new("nft").arg(rules)).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let connect = Probe::tcp(service().ip(), service().port()).patience(SHORT);
    assert!(from(&rig, &pod, &connect).is_reached(), "control, without enforcer");
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    let report = from(&rig, &pod, &connect);

    assert!(report.is_refused(), "{report}");
    assert_eq!(peer.arrived(), 1);
}
