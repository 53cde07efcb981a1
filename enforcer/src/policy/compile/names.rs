//! Names: which rules each exact name feeds, wildcards that cover it included.

use std::collections::{BTreeMap, HashMap};

use enforcer_common::rule_mask::RuleMask;

use crate::fqdn::{DomainName, Pattern};

/// FQDN endpoints, compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameTable {
    /// The rules that the addresses of each exact name are for, sorted by name.
    pub exact: BTreeMap<DomainName, RuleMask>,
    /// The rules of each pattern with a wildcard, sorted.
    pub patterns: BTreeMap<Pattern, RuleMask>,
}

impl NameTable {
    /// The rules that a name feeds.
    pub fn rules(&self, name: &DomainName) -> RuleMask {
        let mut rules = self.exact.get(name).copied().unwrap_or(RuleMask::EMPTY);
        for (pattern, mask) in &self.patterns {
            if pattern.matches(name) {
                rules.unite(mask);
            }
        }
        rules
    }
}

/// Collects endpoints.
#[derive(Default)]
pub(super) struct Builder {
    table: NameTable,
}

impl Builder {
    pub(super) fn add(&mut self, pattern: &Pattern, slot: u16) {
        let mask = match pattern.exact() {
            Some(name) => self.table.exact.entry(name.clone()).or_insert(RuleMask::EMPTY),
            None => self.table.patterns.entry(pattern.clone()).or_insert(RuleMask::EMPTY),
        };
        mask.insert(slot);
    }

    /// Adds to each exact name the rules of the patterns that cover it. Patterns are found by
    /// their fixed suffix, so that a hundred thousand names do not meet every pattern.
    pub(super) fn build(mut self) -> NameTable {
        let mut by_suffix: HashMap<String, Vec<(&Pattern, RuleMask)>> = HashMap::new();
        for (pattern, mask) in &self.table.patterns {
            by_suffix.entry(fixed_suffix(pattern)).or_default().push((pattern, *mask));
        }
        for (name, mask) in &mut self.table.exact {
            for suffix in suffixes(name.as_str()) {
                for (pattern, more) in by_suffix.get(suffix).map(Vec::as_slice).unwrap_or_default()
                {
                    if pattern.matches(name) {
                        mask.unite(more);
                    }
                }
            }
        }
        self.table
    }
}

/// The labels behind the last one with a wildcard; empty for `*`.
fn fixed_suffix(pattern: &Pattern) -> String {
    let text = pattern.to_string();
    let Some((_, tail)) = text.rsplit_once('*') else { return text };
    tail.split_once('.').map(|(_, suffix)| suffix.to_owned()).unwrap_or_default()
}

/// The name, its parents, and the root as the empty string.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    let parents = name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..));
    std::iter::once(name).chain(parents).chain(std::iter::once(""))
}
