//! A process that makes a network namespace of its own and is the trusted resolver in it.

use enforcer_common::measure;
use enforcer_tests::{Rig, require_privilege};

use super::{
    GOAL, ID, WILD, ask, fails_without, ignored, receive, resolver, succeeds_only_without,
};
use crate::{
    wire,
    world::{PLAIN, RESOLVER, ip, number, policy},
};

/// Asks oneself, as a resolver that one has made, for a name of the policy.
fn ask_oneself(rig: &Rig) {
    let insider = rig.insider_alone().unwrap();
    insider
        .configure(["link set lo up".to_owned(), format!("addr add {RESOLVER}/32 dev lo")])
        .unwrap();
    let server = insider.datagrams(resolver()).unwrap();
    let client = insider.datagrams("0.0.0.0:0".parse().unwrap()).unwrap();
    let query = wire::query(ID, &wire::name("evil.wild.test"), wire::A);
    let from = ask(&client, &server, &query);
    let answer = wire::answer_with(&query, ip(GOAL));
    server.send_to(&answer, from).unwrap();
    receive(&client, &answer);
}

#[test]
fn what_a_namespace_of_ones_own_learns_opens_nothing_elsewhere() {
    require_privilege!();
    let both = measure::NAMESPACE | measure::PATH;
    let status = succeeds_only_without(both, &policy(PLAIN, &[WILD]), ask_oneself);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}

#[test]
fn what_a_namespace_of_ones_own_learns_counts_there_alone_even_if_its_path_would_pass() {
    require_privilege!();
    let status = fails_without(measure::PATH, &policy(PLAIN, &[WILD]), ask_oneself);

    assert_eq!(number(&status, "/dns/learned"), 1, "learned, for that namespace: {status:#}");
}

#[test]
fn an_answer_over_loopback_in_a_namespace_of_ones_own_teaches_nothing_even_if_it_counted() {
    require_privilege!();
    let status = fails_without(measure::NAMESPACE, &policy(PLAIN, &[WILD]), ask_oneself);

    assert_eq!(ignored(&status, "other-path"), 1, "{status:#}");
}
