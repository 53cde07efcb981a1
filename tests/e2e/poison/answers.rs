//! Answers that arrive as they should and teach nothing all the same, for what is in them.
//!
//! No measure can be left out here. That an answer arrives and is looked at is seen by its reason,
//! or by a plain one behind it.

use std::net::SocketAddr;

use enforcer_tests::{Peer, Rig, require_privilege};
use serde_json::Value;

use super::{GOAL, ID, WILD, ask, asker, ignored, reach, receive, resolver, server, wild_query};
use crate::{
    wire,
    world::{PLAIN, ip, number, policy},
};

const PUBLIC: &str = "allowPrivateAnswers: true";

/// Asks the resolver under a policy and has it answer with what `answer` makes of the question;
/// what `status` says afterwards, when the goal was not to be reached.
fn refused(policy: &str, query: &[u8], answer: impl Fn(&[u8]) -> Vec<u8>) -> Value {
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(policy).unwrap();
    let (server, (_insider, asking)) = (server(&rig, resolver()), asker(&rig));

    let from = ask(&asking, &server, query);
    let answer = answer(query);
    server.send_to(&answer, from).unwrap();
    receive(&asking, &answer);

    let status = agent.status().unwrap();
    let report = reach(&rig, ip(GOAL));
    assert!(report.is_refused(), "{report}\n{status:#}");
    status
}

fn query(name: &[u8]) -> Vec<u8> {
    wire::query(ID, name, wire::A)
}

fn to_the_goal(query: &[u8]) -> Vec<u8> {
    wire::answer_with(query, ip(GOAL))
}

#[test]
fn a_label_that_holds_a_whole_name_is_no_name() {
    require_privilege!();
    // To who looks for these bytes and not for labels, the name is `a.wild.test`.
    let label = b"\x01a\x04wild\x04test\x00zzzz";
    let name = wire::labels([label.as_slice(), b"evil", b"com"]);
    let status = refused(&policy(PLAIN, &[WILD]), &query(&name), to_the_goal);

    assert_eq!(ignored(&status, "no-rule"), 1, "{status:#}");
}

#[test]
fn a_label_with_a_dot_in_it_is_one_label() {
    require_privilege!();
    let name = wire::labels([b"a.wild".as_slice(), b"test"]);
    let status = refused(&policy(PLAIN, &[WILD]), &query(&name), to_the_goal);

    assert_eq!(ignored(&status, "no-rule"), 1, "{status:#}");
}

#[test]
fn a_label_whose_length_looks_like_a_digit_is_not_continued_by_that_digit() {
    require_privilege!();
    // 48 is the code of `0`.
    let long = "x".repeat(usize::from(b'0'));
    let rule = format!(
        "{{name: wild, to: [{{fqdn: '*.{long}.test'}}, {{fqdn: '{long}.test'}}], ports: [tcp/443]}}"
    );
    for name in [format!("0{long}.test"), format!("a.0{long}.test")] {
        let status = refused(&policy(PLAIN, &[&rule]), &query(&wire::name(&name)), to_the_goal);

        assert_eq!(ignored(&status, "no-rule"), 1, "{name}: {status:#}");
    }
    let policy = policy(PLAIN, &[&rule]);
    assert!(opens(&policy, &query(&wire::name(&format!("a.{long}.test"))), GOAL), "its own name");
}

#[test]
fn a_name_that_does_not_exist_has_no_address() {
    require_privilege!();
    let status = refused(&policy(PLAIN, &[WILD]), &wild_query(), |query| {
        wire::answer(query, wire::NXDOMAIN, &[wire::address_of(&wire::ASKED, ip(GOAL))])
    });

    assert_eq!(ignored(&status, "negative"), 1, "{status:#}");
}

#[test]
fn an_alias_of_a_strangers_name_that_leads_to_an_allowed_one_teaches_nothing() {
    require_privilege!();
    let allowed = wire::name("a.wild.test");
    let status = refused(&policy(PLAIN, &[WILD]), &query(&wire::name("evil.test")), |query| {
        let alias = wire::record(&wire::ASKED, wire::CNAME, &allowed);
        wire::answer(query, 0, &[alias, wire::address_of(&allowed, ip(GOAL))])
    });

    assert_eq!(ignored(&status, "no-rule"), 1, "{status:#}");
}

#[test]
fn an_address_of_another_name_in_the_answer_teaches_nothing() {
    require_privilege!();
    let other = wire::name("evil.test");
    let status = refused(&policy(PLAIN, &[WILD]), &wild_query(), |query| {
        let own = wire::address_of(&wire::ASKED, ip("198.18.0.1"));
        wire::answer(query, 0, &[own, wire::address_of(&other, ip(GOAL))])
    });

    assert_eq!(number(&status, "/dns/learned"), 1, "only its own: {status:#}");
}

#[test]
fn an_answer_to_another_question_than_the_pending_one_teaches_nothing() {
    require_privilege!();
    let asked = query(&wire::name("evil.test"));
    let status = refused(&policy(PLAIN, &[WILD]), &asked, |_| to_the_goal(&wild_query()));

    assert_eq!(ignored(&status, "question-mismatch"), 1, "{status:#}");
}

#[test]
fn an_answer_with_another_id_teaches_nothing() {
    require_privilege!();
    let other = wire::query(ID + 1, &wire::name("a.wild.test"), wire::A);
    let status = refused(&policy(PLAIN, &[WILD]), &wild_query(), |_| to_the_goal(&other));

    assert_eq!(ignored(&status, "not-pending"), 1, "{status:#}");
}

#[test]
fn a_second_answer_to_one_question_teaches_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();
    let (server, (_insider, asking)) = (server(&rig, resolver()), asker(&rig));
    let from = ask(&asking, &server, &wild_query());

    for address in ["198.18.0.1", GOAL] {
        let answer = wire::answer_with(&wild_query(), ip(address));
        server.send_to(&answer, from).unwrap();
        receive(&asking, &answer);
    }

    assert!(reach(&rig, ip("198.18.0.1")).is_reached());
    assert!(reach(&rig, ip(GOAL)).is_refused());
    let status = agent.status().unwrap();
    assert_eq!(ignored(&status, "not-pending"), 1, "{status:#}");
}

#[test]
fn an_answer_from_another_port_or_address_than_the_resolvers_teaches_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();
    let (honest, (_insider, asking)) = (server(&rig, resolver()), asker(&rig));
    let from = ask(&asking, &honest, &wild_query());

    let answer = to_the_goal(&wild_query());
    for stranger in [SocketAddr::new(resolver().ip(), 5353), "203.0.113.54:53".parse().unwrap()] {
        server(&rig, stranger).send_to(&answer, from).unwrap();
        receive(&asking, &answer);
    }

    assert!(reach(&rig, ip(GOAL)).is_refused());
    // The question still waits: what came from elsewhere has not used it up.
    let answer = wire::answer_with(&wild_query(), ip("198.18.0.1"));
    honest.send_to(&answer, from).unwrap();
    receive(&asking, &answer);
    assert!(reach(&rig, ip("198.18.0.1")).is_reached());
}

#[test]
fn a_server_that_the_policy_does_not_trust_teaches_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let stranger = "{name: stranger, to: [{cidr: 203.0.113.54}], ports: [udp/53]}";
    let agent = rig.agent(&policy(PLAIN, &[WILD, stranger])).unwrap();
    let (_insider, asking) = asker(&rig);
    let server = server(&rig, "203.0.113.54:53".parse().unwrap());

    let from = ask(&asking, &server, &wild_query());
    let answer = to_the_goal(&wild_query());
    server.send_to(&answer, from).unwrap();
    receive(&asking, &answer);

    assert!(reach(&rig, ip(GOAL)).is_refused());
    assert_eq!(number(&agent.status().unwrap(), "/dns/asked"), 0);
}

/// Has the resolver answer with an address, and says whether a connection to it was let through.
fn opens(policy: &str, query: &[u8], address: &str) -> bool {
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(policy).unwrap();
    let (server, (_insider, asking)) = (server(&rig, resolver()), asker(&rig));
    let from = ask(&asking, &server, query);
    let answer = wire::answer_with(query, ip(address));
    server.send_to(&answer, from).unwrap();
    receive(&asking, &answer);

    let is_reached = reach(&rig, ip(address)).is_reached();
    let status = agent.status().unwrap();
    assert_eq!(ignored(&status, "special-address"), u64::from(!is_reached), "{status:#}");
    is_reached
}

#[test]
fn a_private_address_is_learned_only_where_the_policy_says_so() {
    require_privilege!();
    let with = policy(PLAIN, &[WILD]);
    let without = with.replace(PUBLIC, "allowPrivateAnswers: false");
    assert_ne!(with, without);

    assert!(opens(&with, &wild_query(), "10.1.2.3"));
    assert!(!opens(&without, &wild_query(), "10.1.2.3"));
    assert!(opens(&without, &wild_query(), "8.8.4.4"), "a public one is learned");
}

#[test]
fn the_metadata_address_is_never_learned() {
    require_privilege!();
    let with = policy(PLAIN, &[WILD]);

    assert!(!opens(&with, &wild_query(), "169.254.169.254"));
    assert!(!opens(
        &with.replace(PUBLIC, "allowPrivateAnswers: false"),
        &wild_query(),
        "169.254.169.254"
    ));
}
