//! The agent, started with what the manifest gives a pod and nothing more: its arguments, its
//! capabilities, a read-only root, the host's folders in their places, a mounted `ConfigMap`.
//!
//! What it does not have is the runtime's filter of system calls, and the limit of memory.

use enforcer_tests::{Peer, require_privilege, wait};
use serde_json::Value;

use super::{
    manifest::{BASE, agent, list, text},
    node::{DENIED, Node, PATIENCE, live_and_be_followed},
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
