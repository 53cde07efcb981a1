//! Rules and destinations that an earlier rule leaves nothing to.

use std::cell::LazyCell;

use enforcer_common::{abi::MAX_RULES, rule_mask::RuleMask};

use super::{
    Doubt, Kind, cover::Ports, cover::workloads_cover, destination, listed, name_tree::NameTree,
    prefix_index::PrefixIndex, reference,
};
use crate::policy::{Action, Endpoint, Rule};

/// Adds a doubt for each rule that is covered, wholly by one earlier rule or in some destinations.
///
/// A policy of more rules than a node can have is refused when it is compiled, so only as many are
/// compared.
pub(super) fn doubts<'p>(rules: &'p [Rule], doubts: &mut Vec<Doubt<'p>>) {
    let rules = rules.get(..MAX_RULES).unwrap_or(rules);
    // With a million destinations it takes a while, and most rules have none that could be wider.
    let index = LazyCell::new(|| Index::of(rules));
    let ports: Vec<Ports> = rules.iter().map(|rule| Ports::of(&rule.ports)).collect();
    for (at, rule) in rules.iter().enumerate() {
        let earlier = rules.iter().zip(&ports).zip(0_u16..).take(at);
        let wider = earlier.filter(|((other, theirs), _)| {
            ports.get(at).is_some_and(|ours| theirs.cover(ours))
                && workloads_cover(&other.from, &rule.from)
                && is_worth_telling(other, rule)
        });
        let wider: Vec<(u16, &Rule)> = wider.map(|((other, _), slot)| (slot, other)).collect();
        if !wider.is_empty() {
            doubts.extend(doubt(rule, &wider, &index));
        }
    }
}

/// A preset's row that is allowed twice is nobody's mistake.
fn is_worth_telling(earlier: &Rule, rule: &Rule) -> bool {
    rule.origin.preset.is_none() || earlier.action != rule.action
}

/// All endpoints, by what they accept.
struct Index<'p> {
    names: NameTree,
    prefixes: PrefixIndex<'p>,
}

impl<'p> Index<'p> {
    fn of(rules: &'p [Rule]) -> Self {
        let endpoints = rules.iter().flat_map(|rule| &rule.to);
        let ranges = endpoints.filter(|it| matches!(it, Endpoint::Cidr { .. })).count();
        let mut index =
            Self { names: NameTree::default(), prefixes: PrefixIndex::with_room(ranges) };
        for (rule, slot) in rules.iter().zip(0_u16..) {
            for endpoint in &rule.to {
                match endpoint {
                    Endpoint::Fqdn { pattern, .. } => index.names.add(pattern, slot),
                    Endpoint::Cidr { prefix, except, .. } => {
                        index.prefixes.add(*prefix, except, slot);
                    }
                }
            }
        }
        index
    }
}

fn doubt<'p>(rule: &'p Rule, wider: &[(u16, &Rule)], index: &Index<'_>) -> Option<Doubt<'p>> {
    let for_ranges: RuleMask = wider.iter().map(|(slot, _)| *slot).collect();
    // A rule that learns private addresses accepts more than the same names without them.
    let learns_as_much = |other: &Rule| other.allow_private_answers || !rule.allow_private_answers;
    let for_names: RuleMask =
        wider.iter().filter(|(_, other)| learns_as_much(other)).map(|(slot, _)| *slot).collect();

    let mut by_one = for_ranges;
    let mut covered: Vec<(&Endpoint, RuleMask)> = Vec::new();
    for endpoint in &rule.to {
        let mask = match endpoint {
            Endpoint::Fqdn { pattern, .. } => {
                let mut mask = index.names.cover(pattern);
                mask.intersect(&for_names);
                mask
            }
            Endpoint::Cidr { prefix, except, .. } => {
                index.prefixes.cover(*prefix, except, &for_ranges)
            }
        };
        by_one.intersect(&mask);
        if !mask.is_empty() {
            covered.push((endpoint, mask));
        }
    }
    let named = |mask: &RuleMask| {
        let first = mask.slots().next();
        wider.iter().find(|(slot, _)| Some(*slot) == first).map(|(_, other)| *other)
    };
    match named(&by_one) {
        Some(other) => Some(whole(rule, other)),
        None => partial(rule, &covered, named),
    }
}

fn whole<'p>(rule: &'p Rule, other: &Rule) -> Doubt<'p> {
    let message = if rule.action == other.action {
        format!("`{}` adds nothing: {} has all of it", rule.name, reference(other))
    } else {
        let verb = if other.action == Action::Allow { "allows" } else { "denies" };
        format!("`{}` never applies: {} {verb} all of it first", rule.name, reference(other))
    };
    let help = if rule.action == other.action {
        format!("remove it, or put it in front of `{}` to have counters of its own", other.name)
    } else {
        format!("rules are read from the top: put it in front of `{}`", other.name)
    };
    Doubt::of_rule(Kind::Shadow, rule, message, help)
}

fn partial<'p, 'o>(
    rule: &'p Rule,
    covered: &[(&'p Endpoint, RuleMask)],
    named: impl Fn(&RuleMask) -> Option<&'o Rule>,
) -> Option<Doubt<'p>> {
    let (first, mask) = covered.first()?;
    if let [_] = covered {
        let other = named(mask)?;
        let message = format!(
            "`{}` decides nothing in `{}`: {} has it already",
            destination(first),
            rule.name,
            reference(other)
        );
        return Some(Doubt::of_endpoint(Kind::Shadow, rule, first, message, HELP));
    }
    let subjects = covered.iter().map(|(endpoint, mask)| {
        let by = named(mask).map_or_else(String::new, reference);
        format!("`{}` by {by}", destination(endpoint))
    });
    let message = format!(
        "{} of {} destinations of `{}` are decided by earlier rules: {}",
        covered.len(),
        rule.to.len(),
        rule.name,
        listed(subjects)
    );
    Some(Doubt::of_endpoint(Kind::Shadow, rule, first, message, HELP))
}

const HELP: &str = "rules are read from the top: remove what is double, or change the order";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Index, Kind, doubts};
    use crate::policy::warn::tests::rules;

    /// Searches over a policy of `count` names and as many ranges in up to 100 rules.
    fn steps(count: usize) -> (usize, usize) {
        let mut text = String::new();
        for rule in 0..count.min(100) {
            let own = (rule..count).step_by(100);
            write!(text, "r{rule} allow tcp/443").unwrap();
            for n in own {
                write!(text, " n{n}.z{}.example {}", n % 7, address(n)).unwrap();
                if n % 10 == 0 {
                    write!(text, " m{n:05}*.z{}.example *.w{n}.example", n % 7).unwrap();
                }
            }
            text.push('\n');
        }
        let rules = rules(&text);
        let index = Index::of(&rules);
        let mut found = Vec::new();
        let wider: Vec<_> = rules.iter().zip(0_u16..).map(|(rule, slot)| (slot, rule)).collect();
        for (at, rule) in rules.iter().enumerate() {
            found.extend(super::doubt(rule, &wider[..at], &index));
        }
        assert!(found.is_empty(), "nothing is double here");
        (index.names.steps(), index.prefixes.steps())
    }

    fn address(n: usize) -> String {
        format!("10.{}.{}.0/{}", n / 256, n % 256, 24 + n % 4)
    }

    #[test]
    fn searches_twice_as_long_in_a_policy_of_twice_the_size() {
        let (small, large) = (steps(5_000), steps(10_000));

        assert!(small.0 > 5_000 && small.1 > 5_000, "{small:?}");
        assert!(large.0 * 10 <= small.0 * 25, "names: {small:?} {large:?}");
        assert!(large.1 * 10 <= small.1 * 25, "ranges: {small:?} {large:?}");
    }

    #[test]
    fn tells_nothing_of_a_preset_row_that_is_allowed_twice() {
        let mut rules = rules(
            "own allow tcp/443 *.example\n\
             aks/a allow tcp/443 a.example\n",
        );
        rules[1].origin.preset = Some("aks@2026-06".to_owned());
        let found = |rules: &[_]| {
            let mut found = Vec::new();
            doubts(rules, &mut found);
            found.iter().map(|doubt| doubt.kind).collect::<Vec<_>>()
        };

        assert!(found(&rules).is_empty());
        rules[0].action = crate::policy::Action::Deny;
        assert_eq!(found(&rules), [Kind::Shadow]);
    }
}
