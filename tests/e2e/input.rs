//! Bad input: one sentence that says what and where, and nothing half attached.

use enforcer_tests::{Peer, Probe, Rig, require_privilege};

use crate::world::{PLAIN, ip, policy, probe};

const RULE: &str = "{name: web, to: [{cidr: 198.18.0.1}], ports: [tcp/443]}";

/// Starts an agent that must fail, and checks that it left nothing behind.
fn check(text: &str, arguments: &[&str], said: &str) {
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.launch(text, arguments).unwrap();

    let ended = agent.wait().unwrap();

    let log = agent.log().join("\n");
    assert_eq!(ended.code(), Some(1), "{log}");
    assert!(log.contains(said), "`{said}` is not in:\n{log}");
    assert!(probe(&rig, &Probe::tcp(ip("198.18.0.2"), 443)).is_reached(), "something is attached");
    assert!(!rig.pins().exists() || std::fs::read_dir(rig.pins()).unwrap().next().is_none());
}

#[test]
fn an_invalid_policy_attaches_nothing() {
    require_privilege!();
    check(
        &policy(PLAIN, &["{name: web, to: [{fqdn: *.test}]}"]),
        &[],
        "put the wildcard in quotes",
    );
}

#[test]
fn a_cgroup_that_is_none_attaches_nothing() {
    require_privilege!();
    check(&policy(PLAIN, &[RULE]), &["--cgroup", "/proc"], "is not a cgroup v2 directory");
}

#[test]
fn a_folder_outside_a_bpffs_attaches_nothing() {
    require_privilege!();
    check(&policy(PLAIN, &[RULE]), &["--bpffs", "/tmp/enforcer"], "is not on a bpffs");
}

#[test]
fn a_metrics_address_that_is_no_ones_attaches_nothing() {
    require_privilege!();
    check(&policy(PLAIN, &[RULE]), &["--metrics", "198.18.0.77:1"], "listen for metrics");
}

#[test]
fn too_many_rules_attach_nothing() {
    require_privilege!();
    let rules: Vec<String> = (0..513)
        .map(|port| format!("{{name: r{port}, to: [{{cidr: 198.18.0.1}}], ports: [tcp/{port}]}}"))
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    check(&policy(PLAIN, &rules), &[], "513 rules");
}
