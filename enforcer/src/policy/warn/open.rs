//! Rules to any address, which leave the names of others nothing to decide.

use std::collections::BTreeSet;

use enforcer_common::abi::MAX_RULES;

use super::{
    Doubt, Kind,
    cover::{Ports, workloads_cover},
    listed, reference,
};
use crate::policy::{Action, Endpoint, Rule};

/// Adds a doubt for each rule to any address that makes names of other rules moot.
pub(super) fn doubts<'p>(rules: &'p [Rule], doubts: &mut Vec<Doubt<'p>>) {
    let rules = rules.get(..MAX_RULES).unwrap_or(rules);
    if !rules.iter().any(|rule| Families::of(rule).is_some()) {
        return;
    }
    let ports: Vec<Ports> = rules.iter().map(|rule| Ports::of(&rule.ports)).collect();
    for (at, rule) in rules.iter().enumerate() {
        let Some(families) = Families::of(rule) else { continue };
        let Some(ours) = ports.get(at) else { continue };
        let first = first_moot(rules, at);
        let mut common = Ports::default();
        let mut moot = Vec::new();
        for (index, (other, theirs)) in rules.iter().zip(&ports).enumerate().skip(first) {
            let shared = ours.common(theirs);
            if index != at
                && has_names(other)
                && !shared.is_empty()
                && workloads_cover(&rule.from, &other.from)
            {
                common.unite(&shared);
                moot.push(other);
            }
        }
        if !moot.is_empty() {
            doubts.push(doubt(rule, families, &common, &moot));
        }
    }
}

/// The first rule whose names a rule to any address makes moot.
///
/// Whatever is behind it is. A name that is allowed in front of it would be allowed by it just the
/// same, unless a deny rule stands between the two.
fn first_moot(rules: &[Rule], at: usize) -> usize {
    let before = rules.get(..at).unwrap_or_default();
    match rules.get(at).map(|rule| rule.action) {
        Some(Action::Allow) => {
            before.iter().rposition(|rule| rule.action == Action::Deny).map_or(0, |deny| deny + 1)
        }
        _ => at,
    }
}

fn doubt<'p>(rule: &'p Rule, families: Families, common: &Ports, moot: &[&Rule]) -> Doubt<'p> {
    // All rules of one preset are one subject.
    let mut presets = BTreeSet::new();
    let subjects: Vec<String> = moot
        .iter()
        .filter_map(|other| match &other.origin.preset {
            Some(preset) => presets
                .insert(preset)
                .then(|| format!("the preset `{preset}` (line {})", other.origin.line)),
            None => Some(reference(other)),
        })
        .collect();
    let (ports, subjects) = (common.text(), listed(subjects.into_iter()));
    let any = families.text();
    let message = match rule.action {
        Action::Allow => format!(
            "`{}` allows {any} on {ports}, so names decide nothing there: {subjects}",
            rule.name
        ),
        Action::Deny => format!(
            "`{}` denies {any} on {ports}, so names behind it are never allowed there: {subjects}",
            rule.name
        ),
    };
    let help = match rule.action {
        Action::Allow => "give it the names or ranges that it is for, or other ports",
        Action::Deny => "what no rule allows is denied anyway: remove it, or put it last",
    };
    Doubt::of_rule(Kind::Open, rule, message, help)
}

fn has_names(rule: &Rule) -> bool {
    rule.to.iter().any(|endpoint| matches!(endpoint, Endpoint::Fqdn { .. }))
}

/// The families of which a rule has every address, up to exceptions when it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    V4,
    V6,
    Both,
}

impl Families {
    fn of(rule: &Rule) -> Option<Self> {
        let (mut v4, mut v6) = (false, false);
        for endpoint in &rule.to {
            if let Endpoint::Cidr { prefix, except, .. } = endpoint
                && prefix.prefix_len() == 0
                && (except.is_empty() || rule.action == Action::Allow)
            {
                v4 |= prefix.addr().is_ipv4();
                v6 |= prefix.addr().is_ipv6();
            }
        }
        match (v4, v6) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::V4),
            (false, true) => Some(Self::V6),
            (false, false) => None,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::V4 => "any IPv4 address",
            Self::V6 => "any IPv6 address",
            Self::Both => "any address",
        }
    }
}
