//! A real Prometheus scrapes a real agent, whose workload has sent counted traffic.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
};

use enforcer_tests::{NameServer, Peer, Probe, Rig, Zone, probe::Family, require_privilege, wait};

use super::{
    expression::{Names, names},
    page,
    rules::{ALERTS, RECORDING, rules, text},
    scrape,
    server::{PATIENCE, Prometheus},
};
use crate::grafana;

const RESOLVER: &str = "203.0.113.53";
const WEB: &str = "203.0.113.7";
const CLOCK: &str = "198.51.100.123";
const METADATA: &str = "203.0.113.66";
const STRANGER: &str = "198.18.0.2";

/// Datagrams to a host that a rule allows, to one that a rule denies, to one without a rule.
const SENT: [(&str, u64); 3] = [(CLOCK, 5), (METADATA, 2), (STRANGER, 3)];

/// Labels that a target has by how it is scraped.
const OF_TARGET: [&str; 3] = ["instance", "job", "node"];

const POLICY: &str = "\
apiVersion: enforcer.dev/v1alpha1
kind: EgressPolicy
metadata: {name: test}
spec:
  virtualRanges: []
  dns: {resolvers: [203.0.113.53]}
  allowPrivateAnswers: true
  rules:
    - {name: no-metadata, action: deny, to: [{cidr: 203.0.113.66}]}
    - {name: web, to: [{fqdn: web.test}], ports: [tcp/443]}
    - {name: clock, to: [{cidr: 198.51.100.123}], ports: [udp/123]}
    - {name: unused, to: [{cidr: 198.51.100.9}], ports: [tcp/22]}
";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Who answers in the world.
struct World {
    _name_server: NameServer,
    _web: Peer,
    clock: Peer,
}

impl World {
    fn make(rig: &Rig) -> Self {
        let zone = Zone::new().with("web.test", [ip(WEB)]);
        let resolver = [SocketAddr::new(ip(RESOLVER), 53)];
        Self {
            _name_server: NameServer::start(&rig.world, resolver, zone).unwrap(),
            _web: Peer::tcp(&rig.world, 443).unwrap(),
            clock: Peer::udp(&rig.world, 123).unwrap(),
        }
    }

    /// A question, a connection, and datagrams that arrive and that do not.
    fn send(&self, rig: &Rig) {
        let resolver = SocketAddr::new(ip(RESOLVER), 53);
        let web = Probe::tcp(ip(WEB), 443).by_name("web.test", Family::V4, resolver);
        assert!(rig.probe(&web).unwrap().is_reached());
        for (address, count) in SENT {
            for _ in 0..count {
                let report = rig.probe(&Probe::udp(ip(address), 123)).unwrap();
                assert_eq!(report.is_reached(), address == CLOCK, "{address}: {report}");
            }
        }
        assert_eq!(self.clock.arrived(), SENT[0].1, "what arrived");
    }
}

#[test]
fn prometheus_shows_what_was_sent_and_every_panel_has_something_to_show() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let world = World::make(&rig);
    let agent = rig.agent(POLICY).unwrap();
    let prometheus = Prometheus::start(&rig);
    // A rate is of what rises between two scrapes.
    prometheus.wait_for("enforcer_rule_packets_total{rule=\"clock\"}", 0);

    world.send(&rig);

    let [allowed, by_rule, without_rule] = SENT.map(|(_, count)| count);
    let clock = "enforcer_rule_packets_total{rule=\"clock\",action=\"allow\",job=\"enforcer\",node=\"127.0.0.1\"}";
    prometheus.wait_for(clock, allowed);
    prometheus
        .wait_for("enforcer_rule_packets_total{rule=\"no-metadata\",action=\"deny\"}", by_rule);
    prometheus.wait_for("enforcer_dropped_packets_total{reason=\"rule\"}", by_rule);
    prometheus.wait_for("enforcer_dropped_packets_total{reason=\"no-rule\"}", without_rule);
    prometheus.wait_for("sum(enforcer_packets_total{verdict=\"deny\"})", by_rule + without_rule);
    prometheus.wait_for("enforcer_dns_queries_total", 1);
    prometheus.wait_for("enforcer_dns_answers_total{by=\"kernel\",result=\"learned\"}", 1);
    for (panel, expression) in grafana::queries() {
        let has_data = || prometheus.query(&expression).iter().any(|(_, value)| !value.is_nan());
        let waited = wait::until_true("data", PATIENCE, has_data);
        assert!(waited.is_ok(), "{panel}: no data for {expression}");
    }
    for rule in rules(RECORDING) {
        let record = text(&rule, "record");
        let waited = wait::until_true("data", PATIENCE, || !prometheus.query(record).is_empty());
        assert!(waited.is_ok(), "nothing is recorded as {record}");
    }
    let alerts = prometheus.alerts();
    assert_eq!(alerts.len(), rules(ALERTS).len());
    assert!(alerts.iter().all(|(_, state)| state == "inactive"), "{alerts:?}");
    drop(agent);
}

#[test]
fn alerts_are_raised_by_a_real_agent_that_has_what_they_are_for() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _world = World::make(&rig);
    let mut agent = rig.agent(POLICY).unwrap();
    let prometheus = Prometheus::start(&rig);
    prometheus.wait_for("enforcer_restored_total", 0);

    let gone = POLICY.replace("web.test", "gone.test");
    agent.write_policy(&gone).unwrap();
    prometheus.wait_for("enforcer_dns_names_unresolved", 1);
    agent.write_policy("kind: Nonsense\n").unwrap();
    prometheus.wait_for("enforcer_policy_last_reload_successful", 0);
    fs::remove_file(rig.pins().join("current")).unwrap();
    prometheus.wait_for("enforcer_restored_total", 1);

    assert_eq!(
        raised(&prometheus),
        [
            "EnforcerTamperedWith firing",
            "EnforcerReloadFailed pending",
            "EnforcerNamesUnresolved pending"
        ]
    );
    agent.kill().unwrap();
    prometheus.wait_for("up", 0);
    // What it said of itself is gone with it; that it had to put something back is not.
    assert_eq!(raised(&prometheus), ["EnforcerDown pending", "EnforcerTamperedWith firing"]);
}

/// The alerts that are not inactive.
fn raised(prometheus: &Prometheus<'_>) -> Vec<String> {
    let alerts = prometheus.alerts().into_iter().filter(|(_, state)| state != "inactive");
    alerts.map(|(name, state)| format!("{name} {state}")).collect()
}

#[test]
fn a_scrape_is_clean_and_has_every_metric_and_label_that_rules_and_panels_ask_for() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let world = World::make(&rig);
    let agent = rig.agent(POLICY).unwrap();
    world.send(&rig);

    let scraped = agent.metrics().unwrap();

    let done = scrape::checked(&scraped);
    assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
    let metrics = scrape::metrics(&scraped);
    assert_eq!(metrics.keys().cloned().collect::<BTreeSet<_>>(), page::metrics());
    let asked = [ALERTS, RECORDING].into_iter().flat_map(rules);
    let asked = asked.map(|rule| text(&rule, "expr").to_owned());
    let asked = asked.chain(grafana::queries().into_iter().map(|(_, expression)| expression));
    for expression in asked {
        let Names { metrics: named, matchers, groups } = names(&expression);
        for (metric, label, value) in matchers {
            if OF_TARGET.contains(&label.as_str()) {
                continue;
            }
            let values = metrics[&metric].get(&label);
            let values = values.unwrap_or_else(|| panic!("{metric} has no {label}: {expression}"));
            let has = |one: &str| values.contains(one);
            assert!(value.split('|').all(has), "{label} is never {value}: {expression}");
        }
        let of_metrics = named.iter().filter_map(|metric| metrics.get(metric));
        let has: BTreeSet<&str> =
            of_metrics.flat_map(|labels| labels.keys().map(String::as_str)).collect();
        for group in &groups {
            let is_there = has.contains(group.as_str()) || OF_TARGET.contains(&group.as_str());
            assert!(is_there, "nothing has {group}: {expression}");
        }
    }
}
