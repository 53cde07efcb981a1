//! Exact names: resolved at start and again, their addresses allowed and no others.

use std::time::Duration;

use enforcer_tests::{Peer, Probe, Rig, Zone, nameserver::Behaviour, require_privilege, wait};

use crate::world::{PATIENCE, PLAIN, RESOLVER, ip, number, policy, probe, serve};

const WEB: &str = "{name: web, to: [{fqdn: web.test}], ports: [tcp/443]}";

#[test]
fn allows_the_addresses_of_a_name_on_its_port_over_both_families() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new()
        .with_alias("web.test", "edge.cdn.test")
        .with("edge.cdn.test", [ip("198.18.0.1"), ip("198.18.0.2"), ip("2001:db8:21::1")])
        .with("other.test", [ip("198.18.0.9"), ip("2001:db8:21::9")]);
    let _server = serve(&rig, zone);
    let _peers = [443, 444].map(|port| Peer::tcp(&rig.world, port).unwrap());
    let agent = rig.agent(&policy(PLAIN, &[WEB])).unwrap();

    for address in ["198.18.0.1", "198.18.0.2", "2001:db8:21::1"].map(ip) {
        let reached = probe(&rig, &Probe::tcp(address, 443));
        let other_port = probe(&rig, &Probe::tcp(address, 444));
        assert!(reached.is_reached(), "{address}: {reached}");
        assert!(other_port.is_refused_at_once(), "{address}: {other_port}");
    }
    for address in ["198.18.0.9", "2001:db8:21::9", "198.18.0.3"].map(ip) {
        let refused = probe(&rig, &Probe::tcp(address, 443));
        assert!(refused.is_refused_at_once(), "{address}: {refused}");
    }
    let names = agent.names().unwrap();
    let addresses = names["addresses"].as_array().unwrap();
    assert_eq!(addresses.len(), 3, "{names:#}");
    assert!(addresses.iter().all(|entry| entry["names"][0] == "web.test"), "{names:#}");
    assert!(addresses.iter().all(|entry| entry["rules"][0] == "web"), "{names:#}");
    let explained = agent.explain("web.test:443").unwrap();
    assert_eq!((&explained["verdict"], &explained["rule"]), (&"allow".into(), &"web".into()));
}

#[test]
fn adds_addresses_of_a_pool_that_rotates_and_keeps_the_old() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let server =
        serve(&rig, Zone::new().with("web.test", [ip("198.18.0.1")]).with_ttl("web.test", 1));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let settings =
        format!("virtualRanges: []\ndns: {{resolvers: [{RESOLVER}], minTtl: 6s, grace: 1s}}");
    let _agent = rig.agent(&policy(&settings, &[WEB])).unwrap();
    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.2"), 443)).is_refused_at_once());

    server.change(|zone| zone.replace("web.test", [ip("198.18.0.2")]));

    wait::until_true("the address to be learned", PATIENCE, || {
        probe(&rig, &Probe::tcp(ip("198.18.0.2"), 443)).is_reached()
    })
    .unwrap();
    wait::until_true("the address that is gone to expire", PATIENCE, || {
        probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_refused_at_once()
    })
    .unwrap();
}

#[test]
fn shows_names_without_addresses_with_the_reason_and_is_ready_all_the_same() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new()
        .with("web.test", [ip("198.18.0.1")])
        .with_behaviour("broken.test", Behaviour::ServFail)
        .with_behaviour("silent.test", Behaviour::Silence);
    let _server = serve(&rig, zone);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let rules =
        [WEB, "{name: others, to: [{fqdn: gone.test}, {fqdn: broken.test}, {fqdn: silent.test}]}"];

    let agent = rig.launch(&policy(PLAIN, &rules), &["--ready-timeout", "2"]).unwrap();
    agent.wait_until_ready().unwrap();

    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_reached());
    wait::until_true("every name to have its reason", PATIENCE, || {
        let status = agent.status().unwrap();
        let reasons = status["dns"]["unresolved"].as_array().unwrap().clone();
        let is = |name: &str, part: &str| {
            reasons.iter().any(|entry| {
                entry["name"] == name && entry["reason"].as_str().unwrap().contains(part)
            })
        };
        is("gone.test", "no such name")
            && is("broken.test", "erver")
            && is("silent.test", "in time")
    })
    .unwrap();
}

#[test]
fn one_dead_server_does_not_hold_up_the_other() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    // Packets to this address are swallowed.
    rig.world.configure(["route add blackhole 203.0.113.54/32 table local"]).unwrap();
    let _server = serve(&rig, Zone::new().with("web.test", [ip("198.18.0.1")]));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let settings = format!("virtualRanges: []\ndns: {{resolvers: [203.0.113.54, {RESOLVER}]}}");

    let agent = rig.agent(&policy(&settings, &[WEB])).unwrap();

    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_reached());
    assert_eq!(number(&agent.status().unwrap(), "/dns/resolved"), 1);
}

#[test]
fn learns_no_private_address_unless_a_rule_says_so() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(
        &rig,
        Zone::new().with("web.test", [ip("10.1.2.3"), ip("169.254.169.254"), ip("127.0.0.1")]),
    );
    let strict =
        policy(PLAIN, &[WEB]).replace("allowPrivateAnswers: true", "allowPrivateAnswers: false");
    let agent = rig.agent(&strict).unwrap();

    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/addresses"), 0);
    assert_eq!(number(&status, "/dns/ignored/special-address"), 3);

    agent.write_policy(&policy(PLAIN, &[WEB])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();
    wait::until_true("the private address, and it alone", Duration::from_secs(70), || {
        let names = agent.names().unwrap();
        let addresses = names["addresses"].as_array().unwrap();
        assert!(addresses.iter().all(|entry| entry["address"] == "10.1.2.3"), "{names:#}");
        !addresses.is_empty()
    })
    .unwrap();
}

#[test]
fn a_rule_that_finds_no_room_loses_nothing_of_another_rule() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with("web.test", [ip("198.18.0.1")]).with_generated("load.test", 200);
    let _server = serve(&rig, zone);
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.launch(&policy(PLAIN, &[WEB]), &["--max-addresses", "64"]).unwrap();
    agent.wait_until_ready().unwrap();
    let many: Vec<String> = (0..200)
        .map(|number| format!("{{fqdn: {}}}", Zone::generated_name("load.test", number)))
        .collect();
    let more = format!("{{name: more, to: [{}], ports: [tcp/443]}}", many.join(", "));

    agent.write_policy(&policy(PLAIN, &[WEB, &more])).unwrap();

    wait::until_true("status to say so", PATIENCE, || {
        let status = agent.status().unwrap();
        let problems = status["problems"].as_array().unwrap();
        status["state"] == "degraded"
            && status["dns"]["ignored"]["quota"].as_u64().unwrap_or(0) >= 100
            && problems.iter().any(|problem| problem.as_str().unwrap().contains("more"))
    })
    .unwrap();
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(3));
    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_reached(), "lost what was in it");
    let complaints = agent.log().iter().filter(|line| line.contains("rule=more")).count();
    assert_eq!(complaints, 1, "{:?}", agent.log());
}

#[test]
fn is_ready_after_a_bounded_wait_when_no_resolver_answers() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let settings = "virtualRanges: []\ndns: {resolvers: [203.0.113.99]}";
    let agent = rig.launch(&policy(settings, &[WEB]), &["--ready-timeout", "1"]).unwrap();

    agent.wait_until_ready().unwrap();

    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.1"), 443)).is_refused_at_once());
    assert_eq!(number(&agent.status().unwrap(), "/dns/resolved"), 0);
    assert!(agent.log().iter().any(|line| line.contains("not every name is resolved yet")));
}
