use enforcer_common::{
    dns::check::{Key, LabelCheck},
    rule_mask::RuleMask,
};
use proptest::prelude::*;

use super::{NameTrie, boundaries, key};
use crate::{
    fqdn::{DomainName, Pattern},
    policy::compile::names::Builder,
};

/// A key as the kernel has it: with the places of its labels.
struct InMemory {
    key: Vec<u8>,
    labels: Vec<usize>,
}

impl Key for InMemory {
    fn label(&self, label: u32) -> u32 {
        u32::try_from(self.labels[label as usize]).unwrap()
    }

    fn byte(&self, at: u32) -> u32 {
        self.key.get(at as usize).copied().map_or(0, u32::from)
    }

    fn word(&self, at: u32) -> u64 {
        (0..8).fold(0, |word, index| word | u64::from(self.byte(at + index)) << (8 * index))
    }
}

/// The rules that the kernel finds for a name.
fn kernel_rules(trie: &NameTrie, name: &DomainName) -> RuleMask {
    let key = key(name.labels());
    let Some(entry) = trie.found(&key) else { return RuleMask::EMPTY };
    let mut rules = entry.exact;
    let labels: Vec<usize> = boundaries(&key).take_while(|at| *at < key.len()).collect();
    let count = u32::try_from(labels.len()).unwrap();
    let in_memory = InMemory { key: key.to_vec(), labels };
    let run = entry.first_check as usize..(entry.first_check + entry.checks) as usize;
    let mut is_accepted = true;
    for check in &trie.checks[run] {
        let check: &LabelCheck = check;
        is_accepted &= check.accepts(&in_memory, count);
        if check.is_last == 1 {
            if is_accepted {
                rules.unite(&check.rules);
            }
            is_accepted = true;
        }
    }
    rules
}

fn compiled(patterns: &[(&str, Option<u8>)]) -> (super::NameTable, NameTrie) {
    let mut builder = Builder::default();
    for (slot, (pattern, labels)) in (0..).zip(patterns) {
        builder.add(&Pattern::parse(pattern, *labels).unwrap(), slot);
    }
    let table = builder.build();
    let trie = NameTrie::build(&table).unwrap();
    (table, trie)
}

fn check(patterns: &[(&str, Option<u8>)], name: &str, expected: &[u16]) {
    let (table, trie) = compiled(patterns);
    let name = DomainName::parse(name).unwrap();

    let found: Vec<u16> = kernel_rules(&trie, &name).slots().collect();

    assert_eq!(found, expected, "{patterns:?} on {name}");
    assert_eq!(table.rules(&name).slots().collect::<Vec<_>>(), expected, "{name}");
}

#[test]
fn finds_the_rules_of_every_parent_of_a_name() {
    let patterns = &[
        ("*.example.com", None),
        ("*.b.example.com", None),
        ("a.b.example.com", None),
        ("*", None),
        ("example.com", None),
    ];

    check(patterns, "a.b.example.com", &[0, 1, 2, 3]);
    check(patterns, "x.a.b.example.com", &[0, 1, 3]);
    check(patterns, "b.example.com", &[0, 3]);
    check(patterns, "example.com", &[3, 4]);
    check(patterns, "com", &[3]);
    check(patterns, "xexample.com", &[3]);
}

#[test]
fn looks_into_labels_where_the_suffix_does_not_decide() {
    let patterns = &[
        ("md-*.blob.storage.azure.net", None),
        ("*-dn.*.azmk8s.io", None),
        ("a.*.b.net", None),
        ("*.x.net", Some(2)),
        ("deep.md-x.blob.storage.azure.net", None),
    ];

    check(patterns, "md-abc.blob.storage.azure.net", &[0]);
    check(patterns, "md-a.b.blob.storage.azure.net", &[]);
    check(patterns, "xmd-a.blob.storage.azure.net", &[]);
    check(patterns, "md-x.blob.storage.azure.net", &[0]);
    check(patterns, "deep.md-x.blob.storage.azure.net", &[4]);
    check(patterns, "x-dn.eastus.azmk8s.io", &[1]);
    check(patterns, "x-dn.a.b.azmk8s.io", &[]);
    check(patterns, "a.x.b.net", &[2]);
    check(patterns, "a.b.net", &[]);
    check(patterns, "a.x.y.b.net", &[]);
    check(patterns, "one.two.x.net", &[3]);
    check(patterns, "one.x.net", &[]);
    check(patterns, "a.one.two.x.net", &[]);
}

#[test]
fn keeps_one_copy_of_checks_that_many_names_share() {
    let names: Vec<String> = (0..1_000).map(|number| format!("n{number}.x.net")).collect();
    let mut patterns = vec![("a-*.x.net", None)];
    patterns.extend(names.iter().take(500).map(|name| (name.as_str(), None)));

    let (_, trie) = compiled(&patterns);

    assert_eq!(trie.entries.len(), 501);
    assert_eq!(trie.checks.len(), 1);
}

#[test]
fn refuses_more_patterns_below_one_name_than_the_kernel_looks_at() {
    let mut builder = Builder::default();
    for number in 0..25 {
        builder.add(&Pattern::parse(&format!("a{number}-*.x.net"), None).unwrap(), 0);
    }

    let error = NameTrie::build(&builder.build()).unwrap_err();

    assert!(error.to_string().contains("25 patterns"), "{error}");
    assert!(error.to_string().contains("x.net"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_matching_each_pattern(
        patterns in prop::collection::vec(("[ab]{0,2}\\*?[ab]{0,2}(\\.[ab]{0,1}\\*?[ab]{0,1}){0,3}", prop::option::of(1_u8..4)), 1..12),
        names in prop::collection::vec(prop::collection::vec("[ab]{1,4}", 1..6), 1..8),
    ) {
        let mut builder = Builder::default();
        for (slot, (text, labels)) in (0..).zip(&patterns) {
            if let Ok(pattern) = Pattern::parse(text, *labels) {
                builder.add(&pattern, slot);
            }
        }
        let table = builder.build();
        let trie = NameTrie::build(&table).unwrap();
        for name in names {
            let name = DomainName::parse(&name.join(".")).unwrap();
            prop_assert_eq!(kernel_rules(&trie, &name), table.rules(&name), "{:?} {}", patterns, name);
        }
    }
}
