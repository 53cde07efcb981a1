//! Name servers that others wrote, and the C library's resolver: what they send is understood.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use enforcer_tests::{
    NameServer, Peer, Probe, Rig, Zone,
    daemon::{Daemon, Kind},
    probe::Family,
    require_privilege, wait,
};

use crate::world::{PATIENCE, RESOLVER, ip, number, policy, probe};

const RESOLVER_V6: &str = "2001:db8:53::53";
/// Where Unbound asks.
const UPSTREAM: &str = "203.0.113.99";
const STUB: &str = "127.0.0.1";
const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const SETTINGS: &str =
    "virtualRanges: []\ndns: {resolvers: [203.0.113.53, '2001:db8:53::53', 127.0.0.1]}";
/// Under the wildcard: plain, and at the end of a chain of aliases.
const COVERED: [&str; 2] = ["a.wild.test", "cdn.wild.test"];
const NEIGHBOURS: [&str; 2] = ["evilwild.test", "wild.test"];

/// The names above, and what the aliases lead to.
fn addresses(name: &str) -> [IpAddr; 2] {
    let last = match name {
        "a.wild.test" => 1,
        "evilwild.test" => 2,
        "wild.test" => 3,
        _ => 4,
    };
    [ip(&format!("198.18.7.{last}")), ip(&format!("2001:db8:7::{last}"))]
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(ip(address), 53)
}

/// A world with the servers' addresses on a device: some listen on nothing else.
fn rig() -> Rig {
    let rig = Rig::make().unwrap();
    let lines = [RESOLVER, UPSTREAM].map(|it| format!("addr add {it}/32 dev lo"));
    rig.world.configure(lines).unwrap();
    rig.world.configure([format!("addr add {RESOLVER_V6}/128 dev lo nodad")]).unwrap();
    rig
}

/// Asks each of the resolvers for names of both families, and connects at once.
fn check(rig: &Rig, resolvers: &[&str], covered: &[&str]) {
    for resolver in resolvers {
        for family in [Family::V4, Family::V6] {
            for name in covered.iter().chain(&NEIGHBOURS) {
                let by_name = Probe::tcp(ip("0.0.0.0"), 443).by_name(name, family, at(resolver));
                let report = probe(rig, &by_name);
                let label = format!("{name} {family:?} by {resolver}: {report}");
                assert!(report.address.is_some(), "{label}");
                assert_eq!(report.is_reached(), covered.contains(name), "{label}");
                assert!(report.is_reached() || report.is_refused_at_once(), "{label}");
            }
        }
    }
}

/// Has the C library resolve the names, and connects to all it finds.
fn check_library(rig: &Rig, resolver: &str) {
    for name in COVERED {
        let report = probe(rig, &Probe::by_library(name, &[ip(resolver)], 443));
        assert!(report.is_reached(), "{name}: {report}");
    }
    for name in NEIGHBOURS {
        let report = probe(rig, &Probe::by_library(name, &[ip(resolver)], 443));
        assert!(report.is_refused_at_once(), "{name}: {report}");
    }
}

/// dnsmasq's lines for all names.
fn records() -> String {
    let mut lines = String::new();
    for name in ["a.wild.test", "evilwild.test", "wild.test", "last.other.test"] {
        let [v4, v6] = addresses(name);
        writeln!(lines, "host-record={name},{v4},{v6}").unwrap();
    }
    lines + "cname=cdn.wild.test,edge.other.test\ncname=edge.other.test,last.other.test\n"
}

/// The same for the rig's own server.
fn zone() -> Zone {
    ["a.wild.test", "evilwild.test", "wild.test", "last.other.test"]
        .into_iter()
        .fold(Zone::new(), |zone, name| zone.with(name, addresses(name)))
        .with_alias("cdn.wild.test", "edge.other.test")
        .with_alias("edge.other.test", "last.other.test")
}

#[test]
fn names_by_dnsmasq_are_reached_at_once_and_their_neighbours_are_not() {
    require_privilege!();
    let rig = rig();
    let configuration =
        format!("listen-address={RESOLVER}\nlisten-address={RESOLVER_V6}\n{}", records());
    let _server = Daemon::in_world(&rig, Kind::Dnsmasq, &configuration, at(RESOLVER)).unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    check(&rig, &[RESOLVER, RESOLVER_V6], &COVERED);
}

#[test]
fn names_by_unbound_are_reached_at_once_and_their_neighbours_are_not() {
    require_privilege!();
    let rig = rig();
    let _upstream = NameServer::start(&rig.world, [at(UPSTREAM)], zone()).unwrap();
    let [v4, v6] = addresses("local.wild.test");
    let configuration = format!(
        "  interface: {RESOLVER}\n  interface: {RESOLVER_V6}\n  local-zone: \"test.\" transparent\n  \
         local-data: \"local.wild.test. 300 IN A {v4}\"\n  \
         local-data: \"local.wild.test. 300 IN AAAA {v6}\"\n\
         forward-zone:\n  name: \".\"\n  forward-addr: {UPSTREAM}\n"
    );
    let _server = Daemon::in_world(&rig, Kind::Unbound, &configuration, at(RESOLVER)).unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    check(&rig, &[RESOLVER, RESOLVER_V6], &["local.wild.test", "a.wild.test", "cdn.wild.test"]);
}

#[test]
fn names_by_bind_are_reached_at_once_and_their_neighbours_are_not() {
    require_privilege!();
    let rig = rig();
    let _server = bind(&rig);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    let covered = ["a.wild.test", "cdn.wild.test", "any.thing.star.wild.test"];
    check(&rig, &[RESOLVER, RESOLVER_V6], &covered);
}

#[test]
fn long_answers_of_bind_are_learned_to_the_last_address_or_asked_for_again() {
    require_privilege!();
    let rig = rig();
    let _server = bind(&rig);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();
    // As clients do that take long answers (RFC 6891).
    let ask = |name: &str| {
        let mut dig = rig.command("dig").unwrap();
        dig.args(["+bufsize=4096", "+ignore", "+tries=1", &format!("@{RESOLVER}"), name, "A"]);
        let answer = rig.client.output(&mut dig).unwrap();
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(answer.status.success() && !text.contains("flags: qr aa tc"), "{text}");
        text
    };

    assert!(ask("forty.wild.test").contains("ANSWER: 40"));
    for last in [1, 40] {
        let report = probe(&rig, &Probe::tcp(ip(&format!("198.18.40.{last}")), 443));
        assert!(report.is_reached(), "the address {last} of forty: {report}");
    }
    assert_eq!(number(&agent.status().unwrap(), "/dns/handedOver"), 0);

    assert!(ask("many.wild.test").contains("ANSWER: 79"));
    wait::until_true("the agent to ask", PATIENCE, || {
        probe(&rig, &Probe::tcp(ip("198.18.79.79"), 443)).is_reached()
    })
    .unwrap();
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/ignored/fragmentable"), 1, "{status:#}");
    assert!(probe(&rig, &Probe::tcp(ip("198.18.79.80"), 443)).is_refused_at_once());
}

#[test]
fn addresses_that_the_c_library_finds_are_reached_in_both_families() {
    require_privilege!();
    let rig = rig();
    let _server = NameServer::start(&rig.world, [at(RESOLVER)], zone()).unwrap();
    let peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();

    check_library(&rig, RESOLVER);

    for name in COVERED {
        assert_eq!(addresses(name).map(|it| peer.arrived_at(it)), [1, 1], "{name}");
    }
}

#[test]
fn a_stub_on_the_node_teaches_what_it_has_in_its_cache() {
    require_privilege!();
    let rig = rig();
    let upstream = NameServer::start(&rig.world, [at(RESOLVER)], zone()).unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let configuration = format!("listen-address={STUB}\nserver={RESOLVER}\ncache-size=1000\n");
    let _stub = Daemon::in_workload(&rig, Kind::Dnsmasq, &configuration, at(STUB)).unwrap();
    // Without the enforcer, what is in the cache from now on.
    for name in ["a.wild.test", "evilwild.test"] {
        let report = probe(&rig, &Probe::by_library(name, &[ip(STUB)], 443));
        assert!(report.is_reached(), "{name}: {report}");
    }
    let asked = ["a.wild.test", "evilwild.test"].map(|name| upstream.queries_for(name));
    let _agent = rig.agent(&policy(SETTINGS, &[WILD])).unwrap();
    let known = probe(&rig, &Probe::tcp(addresses("a.wild.test")[0], 443));
    assert!(known.is_refused_at_once(), "{known}");

    check(&rig, &[STUB], &COVERED);
    check_library(&rig, STUB);

    let again = ["a.wild.test", "evilwild.test"].map(|name| upstream.queries_for(name));
    assert_eq!(again, asked, "the stub did not answer from its cache");
    assert!(upstream.queries_for("cdn.wild.test") > 0);
}

/// BIND with a zone of everything: aliases, a wildcard, long answers.
fn bind(rig: &Rig) -> Daemon {
    let mut zone = "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ IN NS ns\n\
         cdn.wild IN CNAME edge.other\nedge.other IN CNAME last.other\n"
        .to_owned();
    writeln!(zone, "ns IN A {RESOLVER}").unwrap();
    for name in ["a.wild", "evilwild", "wild", "last.other", "*.star.wild"] {
        let [v4, v6] = addresses(&format!("{name}.test"));
        writeln!(zone, "{name} IN A {v4}\n{name} IN AAAA {v6}").unwrap();
    }
    for (name, count) in [("forty.wild", 40), ("many.wild", 79)] {
        for last in 1..=count {
            writeln!(zone, "{name} IN A 198.18.{count}.{last}").unwrap();
        }
    }
    rig.scratch().write("test.zone", &zone).unwrap();
    let configuration = format!(
        " listen-on {{ {RESOLVER}; }};\n listen-on-v6 {{ {RESOLVER_V6}; }};\n}};\ncontrols {{}};\n\
         zone \"test\" {{ type primary; file \"test.zone\"; }};\n"
    );
    Daemon::in_world(rig, Kind::Bind, &configuration, at(RESOLVER)).unwrap()
}
