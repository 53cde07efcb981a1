//! Reloads that change ranges alone.

use proptest::{collection::vec, prelude::*};

use super::{Sent, any_endpoint, any_rule, any_sent, check, naive, policy};
use crate::policy::{
    Action, Endpoint, Policy, Rule,
    compile::{Slots, compile},
};

/// The same rules; those that allow and name no domain have other ranges.
fn with_other_ranges(rules: &[Rule], ranges: &[Vec<Endpoint>]) -> Vec<Rule> {
    let others = rules.iter().zip(ranges.iter().cycle());
    others
        .map(|(rule, ranges)| {
            let mut rule = rule.clone();
            let is_range = |to: &&Endpoint| matches!(to, Endpoint::Cidr { .. });
            if rule.action == Action::Allow && rule.to.iter().all(|to| is_range(&to)) {
                rule.to = ranges.iter().filter(is_range).cloned().collect();
            }
            rule
        })
        .collect()
}

/// What a rule that keeps its slot is in between: of both policies.
fn in_between(old: &Policy, new: &Policy) -> Policy {
    let mut both = old.clone();
    for (rule, other) in both.rules.iter_mut().zip(&new.rules) {
        rule.to.extend(other.to.iter().cloned());
    }
    both
}

fn is_allowed(policy: &Policy, sent: &Sent) -> bool {
    naive(policy, sent).is_some_and(|index| policy.rules[index].action == Action::Allow)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn rules_keep_their_slots_and_in_between_nothing_passes_that_neither_policy_allows(
        first in vec(any_rule(), 1..10),
        ranges in vec(vec(any_endpoint(), 1..4), 1..10),
        packets in vec(any_sent(), 32),
    ) {
        let mut slots = Slots::default();
        let old = policy(first.clone());
        let new = policy(with_other_ranges(&first, &ranges));
        let before = compile(&old, &[], &mut slots).unwrap();

        let tables = compile(&new, &[], &mut slots).unwrap();

        prop_assert_eq!(&tables.slots, &before.slots);
        for (index, slot) in tables.slots.iter().enumerate() {
            let is_other = tables.digests[index] != before.digests[index];
            prop_assert_eq!(tables.rewritten.contains(*slot), is_other);
        }
        let both = in_between(&old, &new);
        for sent in &packets {
            check(&new, &tables, sent);
            let [before, after] = [&old, &new].map(|policy| is_allowed(policy, sent));
            let between = is_allowed(&both, sent);
            prop_assert!(!between || before || after, "{sent:?}\n{old:#?}\n{new:#?}");
            prop_assert!(between || !(before && after), "{sent:?}\n{old:#?}\n{new:#?}");
        }
    }

    #[test]
    fn a_rule_that_denies_other_ranges_has_another_slot(
        rules in vec(any_rule(), 1..6),
        range in any_endpoint(),
    ) {
        let deny = |to: Vec<Endpoint>| Rule { action: Action::Deny, to, ..rules[0].clone() };
        let mut slots = Slots::default();
        let first = rules[0].to.clone();
        let second = vec![range];
        prop_assume!(first != second);
        let rest = &rules[1..];
        let before =
            compile(&policy([&[deny(first)], rest].concat()), &[], &mut slots).unwrap();

        let tables = compile(&policy([&[deny(second)], rest].concat()), &[], &mut slots).unwrap();

        prop_assert!(tables.rewritten.is_empty());
        prop_assert_ne!(tables.slots[0], before.slots[0]);
    }
}

#[test]
fn a_rule_with_names_whose_ranges_change_has_another_slot() {
    let parsed = |range: &str| {
        let text = format!(
            "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: both}}\n\
             spec:\n  rules:\n    - {{name: both, to: [{{fqdn: a.test}}, {{cidr: {range}}}]}}\n"
        );
        crate::policy::parse(&text).policy.unwrap()
    };
    let mut slots = Slots::default();
    let before = compile(&parsed("192.0.2.0/25"), &[], &mut slots).unwrap();

    let tables = compile(&parsed("192.0.2.0/24"), &[], &mut slots).unwrap();

    assert!(tables.rewritten.is_empty());
    assert_ne!(tables.slots, before.slots);
}

#[test]
fn ranges_that_change_beside_anything_else_keep_no_slot() {
    let range = |text: &str| Endpoint::Cidr {
        prefix: text.parse().unwrap(),
        except: vec![],
        line: 1,
        column: 1,
    };
    let rule = |action, to: &str| Rule {
        name: String::new(),
        action,
        from: vec![],
        to: vec![range(to)],
        ports: vec![crate::policy::PortSpec::Icmp],
        allow_private_answers: false,
        origin: crate::policy::Origin { preset: None, line: 1, column: 1 },
    };
    let (allow, deny) = (Action::Allow, Action::Deny);
    let old = [rule(allow, "192.0.2.0/25"), rule(deny, "192.0.2.0/24")];
    for (label, new) in [
        // What in between would open: denied by both, and by neither rule that is there.
        (
            "a rule in front",
            vec![rule(deny, "192.0.2.200/32"), rule(allow, "192.0.2.0/24"), old[1].clone()],
        ),
        ("a rule less", vec![rule(allow, "192.0.2.0/24")]),
        ("a rule that denies", vec![rule(allow, "192.0.2.0/24"), rule(deny, "192.0.0.0/16")]),
        ("an action", vec![rule(allow, "192.0.2.0/24"), rule(allow, "192.0.2.0/24")]),
    ] {
        let mut slots = Slots::default();
        let before = compile(&policy(old.to_vec()), &[], &mut slots).unwrap();

        let tables = compile(&policy(new), &[], &mut slots).unwrap();

        assert!(tables.rewritten.is_empty(), "{label}");
        assert!(!tables.slots.contains(&before.slots[0]), "{label}");
    }
}
