//! The agent, started with what the manifest gives a pod and nothing more: its arguments, its
//! capabilities, a read-only root, the host's folders in their places, a mounted `ConfigMap`.
//!
//! What it does not have is the runtime's filter of system calls, and the limit of memory.

use enforcer_tests::{Peer, require_privilege, wait};
use serde_json::Value;

use super::{
    manifest::{BASE, agent, list, policy, text},
    node::{ALLOWED, DENIED, Node, PATIENCE, live_and_be_followed},
};

/// The manifest's capabilities, as setpriv takes them.
fn capabilities() -> String {
    let added: &[Value] = list(&agent(&BASE)["securityContext"]["capabilities"]["add"]);
    let added = added.iter().map(|one| format!("+{}", text(one).to_lowercase()));
    added.collect::<Vec<_>>().join(",")
}

#[test]
fn a_pod_judges_the_node_follows_its_config_map_and_is_taken_over_by_the_next() {
    require_privilege!();
    live_and_be_followed(&Node::make(), |node| node.start(&capabilities()));
}

#[test]
fn a_policy_that_is_gone_is_told_and_nothing_that_is_enforced_is_lost() {
    require_privilege!();
    let node = Node::make();
    let _peer = Peer::tcp(&node.rig.world, 443).unwrap();
    let (key, audited) = policy(&BASE).unwrap();
    let enforced = audited.replace("mode: audit", "mode: enforce");
    node.publish("..2", key, &enforced);
    let mut first = node.start(&capabilities());
    first.wait_until_started(&node);
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));

    node.publish("..3", "another-key", "");

    node.wait_for_metric("enforcer_policy_last_reload_successful 0");
    // What is in force is: a pod that were not ready would only be waited for.
    assert!(node.passes("readinessProbe") && node.passes("livenessProbe"));
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));
    assert!(first.terminate().success());
    let log = first.log();
    assert!(log.contains("the policy is refused; the one in force goes on"), "{log}");

    // The next pod has nothing to begin with; the kernel has.
    let mut second = node.start(&capabilities());
    let ended = wait::until("the agent to end", PATIENCE, || second.0.try_wait().unwrap());
    assert!(!ended.unwrap().success());
    assert!(second.log().contains("read policy /etc/enforcer/policy.yaml"));
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));

    node.publish("..4", key, &enforced);
    let mut third = node.start(&capabilities());
    third.wait_until_started(&node);
    node.wait_for_metric("enforcer_policy_last_reload_successful 1");
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));
}

#[test]
fn without_any_one_of_its_capabilities_nothing_starts() {
    require_privilege!();
    let node = Node::make();
    let _peer = Peer::tcp(&node.rig.world, 443).unwrap();
    let all = capabilities();
    assert_eq!(all.split(',').count(), 3);
    for missing in all.split(',') {
        let given: Vec<&str> = all.split(',').filter(|one| *one != missing).collect();
        let mut container = node.start(&given.join(","));
        let ended = wait::until("the agent to end", PATIENCE, || container.0.try_wait().unwrap());

        assert!(!ended.unwrap().success(), "{missing}: {}", container.log());
        let said = format!("this process lacks CAP_{}:", missing[1..].to_uppercase());
        assert!(container.log().contains(&said), "{}", container.log());
        assert!(node.is_reached(DENIED), "{missing}");
    }
}
