//! What rules allow arrives, all else does not; over both families, with a control run.

use std::time::Duration;

use enforcer_tests::{
    Packet, Peer, Probe, Rig,
    packet::{extension, protocol},
    probe::{Family, Transport},
    require_privilege,
};

use crate::world::{PLAIN, RESOLVER, dropped, hits, ip, policy, probe, serve};

const RULES: &[&str] = &[
    "{name: no-metadata, action: deny, to: [{cidr: 203.0.113.66}]}",
    "{name: web, to: [{cidr: 203.0.113.0/24, except: [203.0.113.8/29]}, {cidr: '2001:db8:7::/64'}], \
      ports: [tcp/443, tcp/8000-8010]}",
    "{name: time, to: [{cidr: 198.51.100.123}, {cidr: '2001:db8:123::1'}], ports: [udp/123]}",
    "{name: ping, to: [{cidr: 198.51.100.1}, {cidr: '2001:db8:21::1'}], ports: [icmp]}",
    "{name: sctp, to: [{cidr: 198.51.100.9}], ports: [sctp/3868]}",
    "{name: gre, to: [{cidr: 198.51.100.47}], ports: [ip/47]}",
];

/// Label, probe, whether the policy allows it.
fn cases() -> Vec<(&'static str, Probe, bool)> {
    vec![
        ("web", Probe::tcp(ip("203.0.113.7"), 443), true),
        ("web, other port", Probe::tcp(ip("203.0.113.7"), 444), false),
        ("range, first", Probe::tcp(ip("203.0.113.7"), 8000), true),
        ("range, last", Probe::tcp(ip("203.0.113.7"), 8010), true),
        ("range, behind", Probe::tcp(ip("203.0.113.7"), 8011), false),
        ("range, before", Probe::tcp(ip("203.0.113.7"), 7999), false),
        ("hole, first", Probe::tcp(ip("203.0.113.8"), 443), false),
        ("hole, last", Probe::tcp(ip("203.0.113.15"), 443), false),
        ("behind the hole", Probe::tcp(ip("203.0.113.16"), 443), true),
        ("denied first", Probe::tcp(ip("203.0.113.66"), 443), false),
        ("neighbour net", Probe::tcp(ip("203.0.112.7"), 443), false),
        ("web v6", Probe::tcp(ip("2001:db8:7::7"), 443), true),
        ("web v6, other port", Probe::tcp(ip("2001:db8:7::7"), 80), false),
        ("neighbour net v6", Probe::tcp(ip("2001:db8:8::7"), 443), false),
        ("time", Probe::udp(ip("198.51.100.123"), 123), true),
        ("time over tcp", Probe::tcp(ip("198.51.100.123"), 443), false),
        ("time, other host", Probe::udp(ip("198.51.100.124"), 123), false),
        ("time v6", Probe::udp(ip("2001:db8:123::1"), 123), true),
        ("time v6, other host", Probe::udp(ip("2001:db8:123::2"), 123), false),
        ("ping", Probe::ping(ip("198.51.100.1")), true),
        ("ping, other host", Probe::ping(ip("198.51.100.2")), false),
        ("ping v6", Probe::ping(ip("2001:db8:21::1")), true),
        ("ping v6, other host", Probe::ping(ip("2001:db8:21::2")), false),
    ]
}

#[test]
fn reaches_what_rules_allow_and_nothing_else() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let ports = [80, 443, 444, 7999, 8000, 8010, 8011];
    let _streams: Vec<_> = ports.iter().map(|port| Peer::tcp(&rig.world, *port).unwrap()).collect();
    let _datagrams = Peer::udp(&rig.world, 123).unwrap();
    for (label, one, _) in cases() {
        let report = probe(&rig, &one);
        assert!(report.is_reached(), "control, without enforcer: {label}: {report}");
    }

    let agent = rig.agent(&policy(PLAIN, RULES)).unwrap();

    for (label, one, is_allowed) in cases() {
        let report = probe(&rig, &one);
        assert_eq!(report.is_reached(), is_allowed, "{label}: {report}");
        assert_eq!(report.is_refused_at_once(), !is_allowed, "{label}: {report}");
    }
    let status = agent.status().unwrap();
    assert_eq!(status["state"], "enforcing");
    assert!(hits(&status, "web") > 0 && hits(&status, "time") == 2 && hits(&status, "ping") == 2);
    assert_eq!(hits(&status, "no-metadata"), 1);
    assert_eq!(hits(&status, "sctp"), 0);
    assert!(dropped(&status, "no-rule") > 0);
}

#[test]
fn no_byte_of_a_refused_destination_arrives() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let forbidden = [ip("198.18.0.1"), ip("2001:db8:8::1")];
    let attempts = |rig: &Rig| {
        let short = Duration::from_millis(300);
        for address in forbidden {
            drop(rig.probe(&Probe::tcp(address, 443).patience(short)));
            drop(rig.probe(&Probe::udp(address, 53).patience(short)));
            drop(rig.probe(&Probe::ping(address).patience(short)));
        }
    };
    let control = rig.capture().unwrap();
    attempts(&rig);
    for address in forbidden {
        assert!(control.count_to(address) >= 3, "control: {:?}", control.all());
    }

    let _agent = rig.agent(&policy(PLAIN, RULES)).unwrap();
    let capture = rig.capture().unwrap();
    attempts(&rig);

    for address in forbidden {
        assert_eq!(capture.count_to(address), 0, "{:?}", capture.all());
    }
}

/// Label, destination, packet, the reason it is dropped for or none.
type Raw = (&'static str, &'static str, Packet, Option<&'static str>);

fn raw_packets() -> Vec<Raw> {
    let loose_route = [131, 7, 4, 198, 18, 0, 1, 0];
    let v6 = "2001:db8:7::7";
    vec![
        ("sctp", "198.51.100.9", Packet::ipv4().to("198.51.100.9").sctp(3868), None),
        (
            "sctp, other port",
            "198.51.100.9",
            Packet::ipv4().to("198.51.100.9").sctp(3869),
            Some("no-rule"),
        ),
        ("gre", "198.51.100.47", Packet::ipv4().to("198.51.100.47").protocol(protocol::GRE), None),
        (
            "gre elsewhere",
            "198.51.100.48",
            Packet::ipv4().to("198.51.100.48").protocol(protocol::GRE),
            Some("no-rule"),
        ),
        (
            "protocol 50",
            "198.51.100.47",
            Packet::ipv4().to("198.51.100.47").protocol(50),
            Some("no-rule"),
        ),
        ("raw tcp", "203.0.113.7", Packet::ipv4().to("203.0.113.7").tcp(443), None),
        (
            "raw tcp, other port",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").tcp(22),
            Some("no-rule"),
        ),
        (
            "no-operation options",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").options(&[1, 1, 1, 0]).tcp(443),
            None,
        ),
        (
            "source route",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").options(&loose_route).tcp(443),
            Some("source-route"),
        ),
        (
            "first fragment",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").fragment(7, 0, true).tcp(443).payload(&[0; 12]),
            None,
        ),
        (
            "its second",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").fragment(7, 32, false).tcp(443),
            None,
        ),
        (
            "orphan",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").fragment(8, 32, false).tcp(443),
            Some("orphan-fragment"),
        ),
        (
            "overlapping",
            "203.0.113.7",
            Packet::ipv4().to("203.0.113.7").fragment(7, 8, false).tcp(443),
            Some("overlapping-fragment"),
        ),
        (
            "v6 options",
            v6,
            Packet::ipv6()
                .to(v6)
                .extension(extension::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
                .tcp(443),
            None,
        ),
        (
            "v6 mobility",
            v6,
            Packet::ipv6().to(v6).extension(extension::MOBILITY, &[0; 6]).tcp(443),
            Some("extension-header"),
        ),
    ]
}

#[test]
fn judges_raw_packets_by_what_is_on_the_wire() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let agent = rig.agent(&policy(PLAIN, RULES)).unwrap();

    for (label, to, packet, reason) in raw_packets() {
        let before = agent.status().unwrap();
        let capture = rig.capture().unwrap();
        let destination = ip(to);
        drop(probe(&rig, &Probe::raw(destination, packet.bytes())));

        let after = agent.status().unwrap();
        let arrived = capture.count_to(destination);
        match reason {
            None => assert!(arrived > 0, "{label} did not arrive; {:#}", after["drops"]),
            Some(reason) => {
                assert_eq!(arrived, 0, "{label} arrived");
                let counted = dropped(&after, reason) - dropped(&before, reason);
                assert_eq!(counted, 1, "{label}, reason {reason}: {:#}", after["drops"]);
            }
        }
    }
}

#[test]
fn lets_names_be_asked_of_the_trusted_resolver_only() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, enforcer_tests::Zone::new().with("a.test", [ip("198.18.0.1")]));
    let other = std::net::SocketAddr::new(ip("198.51.100.53"), 53);
    let _other =
        enforcer_tests::NameServer::start(&rig.world, [other], enforcer_tests::Zone::new());
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();
    let trusted = std::net::SocketAddr::new(ip(RESOLVER), 53);

    for transport in [Transport::Udp, Transport::Tcp] {
        let asked = probe(&rig, &Probe::lookup(trusted, "a.test", Family::V4, transport));
        let refused = probe(&rig, &Probe::lookup(other, "a.test", Family::V4, transport));

        assert_eq!(asked.addresses(), [ip("198.18.0.1")], "{transport:?}: {asked}");
        assert!(refused.is_refused_at_once(), "{transport:?}: {refused}");
    }
    let other_port = probe(&rig, &Probe::udp(ip(RESOLVER), 5353));
    assert!(other_port.is_refused_at_once(), "{other_port}");
    let status = agent.status().unwrap();
    let implicit = status["implicit"].as_array().unwrap();
    let dns = implicit.iter().find(|rule| rule["name"] == "dns").unwrap();
    assert!(dns["packets"].as_u64().unwrap() >= 2, "{dns}");
}

#[test]
fn a_rule_for_a_cgroup_is_for_no_other() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let (inside, beside) = (rig.workload.child("ci").unwrap(), rig.workload.child("ci2").unwrap());
    let below = inside.child("job").unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let rule = format!(
        "{{name: ci, from: [{{cgroup: '{}'}}], to: [{{cidr: 198.18.0.1}}], ports: [tcp/443]}}",
        inside.policy_path()
    );
    let _agent = rig.agent(&policy(PLAIN, &[&rule])).unwrap();
    let attempt = Probe::tcp(ip("198.18.0.1"), 443).patience(Duration::from_millis(500));

    for (label, cgroup, is_allowed) in [
        ("the cgroup", &inside, true),
        ("below it", &below, true),
        ("beside it", &beside, false),
        ("above it", &rig.workload, false),
    ] {
        let report = rig.probe_in(cgroup, &attempt).unwrap();
        assert_eq!(report.is_reached(), is_allowed, "{label}: {report}");
    }
}

#[test]
fn loopback_passes_whatever_the_policy_says() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.client, 8080).unwrap();
    let deny = "{name: all, action: deny, to: [{cidr: any}]}";
    let _agent = rig.agent(&policy(PLAIN, &[deny])).unwrap();

    for address in ["127.0.0.1", "::1"] {
        let report = probe(&rig, &Probe::tcp(ip(address), 8080));
        assert!(report.is_reached(), "{address}: {report}");
    }
    let outside = probe(&rig, &Probe::tcp(ip("198.18.0.1"), 8081));
    assert!(outside.is_refused_at_once(), "{outside}");
}
