//! Names as the kernel looks them up: entries of a longest-prefix trie, and checks of labels.
//!
//! The trie finds the longest parent of a name alone, so each entry carries what its own parents
//! say. What a suffix cannot say (how many labels, what is in one of them) is left to checks.

use std::collections::{BTreeMap, HashMap};

use enforcer_common::{
    abi::{MAX_NAME_CHECKS, MAX_NAMES, NAME_BYTES},
    dns::{
        check::{LabelCheck, LabelText, MAX_ENTRY_CHECKS},
        name::NameKey,
    },
    rule_mask::RuleMask,
};

use super::{CompileError, NameTable};
use crate::fqdn::{DomainName, Label, Leading, Pattern};

/// Most labels that a name can have (RFC 1035, 2.3.4: 255 bytes, two for each).
const MAX_LABELS: u8 = 127;
const MAX_LABEL_BYTES: u8 = 63;

/// The kernel's tables of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameTrie {
    /// Entries by the key of their name, parents first.
    pub entries: BTreeMap<Box<[u8]>, TrieEntry>,
    /// Checks that entries refer to.
    pub checks: Vec<LabelCheck>,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrieEntry {
    /// Rules for the name itself.
    pub exact: RuleMask,
    /// Rules for names below it.
    pub below: RuleMask,
    /// The first of its checks.
    pub first_check: u32,
    /// How many there are.
    pub checks: u32,
}

/// What is said of a suffix before its parents are looked at.
#[derive(Default)]
struct Node {
    exact: RuleMask,
    below: RuleMask,
    checks: Vec<LabelCheck>,
}

impl NameTrie {
    /// Builds the tables.
    ///
    /// # Errors
    ///
    /// More names or checks than the kernel's tables hold.
    pub(super) fn build(names: &NameTable) -> Result<Self, CompileError> {
        let mut nodes: BTreeMap<Box<[u8]>, Node> = BTreeMap::new();
        for (name, mask) in &names.exact {
            nodes.entry(key(name.labels())).or_default().exact.unite(mask);
        }
        for (pattern, mask) in &names.patterns {
            add(&mut nodes, pattern, mask);
        }
        if nodes.len() > MAX_NAMES as usize {
            return Err(CompileError::TooManyNames { count: nodes.len() });
        }
        let mut trie = Self::default();
        let mut runs: HashMap<Vec<LabelCheck>, u32> = HashMap::new();
        let mut checks_of: HashMap<Box<[u8]>, Vec<LabelCheck>> = HashMap::new();
        for (key, node) in nodes {
            let parent = trie.parent(&key).map(|(key, entry)| (Box::<[u8]>::from(key), *entry));
            let mut entry =
                TrieEntry { exact: node.exact, below: node.below, ..Default::default() };
            let mut checks = node.checks;
            if let Some((parent, above)) = parent {
                entry.exact.unite(&above.below);
                entry.below.unite(&above.below);
                checks.extend(checks_of.get(&parent).into_iter().flatten());
            }
            if checks.len() > MAX_ENTRY_CHECKS as usize {
                let name = text(&key);
                return Err(CompileError::TooManyPatterns { count: checks.len(), name });
            }
            if !checks.is_empty() {
                entry.checks = u32::try_from(checks.len()).unwrap_or(u32::MAX);
                entry.first_check = *runs.entry(checks.clone()).or_insert_with(|| {
                    let first = u32::try_from(trie.checks.len()).unwrap_or(u32::MAX);
                    trie.checks.extend(&checks);
                    first
                });
                checks_of.insert(key.clone(), checks);
            }
            trie.entries.insert(key, entry);
        }
        if trie.checks.len() > MAX_NAME_CHECKS as usize {
            return Err(CompileError::TooManyChecks { count: trie.checks.len() });
        }
        Ok(trie)
    }

    /// The entry of the longest parent of a key, the key itself not included.
    fn parent(&self, key: &[u8]) -> Option<(&[u8], &TrieEntry)> {
        boundaries(key)
            .filter(|end| *end < key.len())
            .filter_map(|end| self.entries.get_key_value(key.get(..end)?))
            .map(|(key, entry)| (&**key, entry))
            .last()
    }

    /// What the kernel finds for a name: its own entry, or what the longest parent says of names
    /// below it.
    pub fn found(&self, key: &[u8]) -> Option<TrieEntry> {
        if let Some(entry) = self.entries.get(key) {
            return Some(*entry);
        }
        self.parent(key).map(|(_, parent)| TrieEntry { exact: parent.below, ..*parent })
    }
}

/// Adds a pattern to the suffix that its last labels make.
fn add(nodes: &mut BTreeMap<Box<[u8]>, Node>, pattern: &Pattern, mask: &RuleMask) {
    let labels = pattern.labels();
    let fixed = labels.iter().rev().map_while(|label| match label {
        Label::Text(text) => Some(text.as_str()),
        Label::Wild { .. } => None,
    });
    let fixed: Vec<&str> = fixed.collect();
    let node = nodes.entry(key(fixed.iter().rev().copied())).or_default();
    let count = u8::try_from(labels.len()).unwrap_or(MAX_LABELS);
    let (min_labels, max_labels) = match pattern.leading() {
        Leading::Nothing => (count, count),
        Leading::OneOrMore => (count.saturating_add(1), MAX_LABELS),
        Leading::Exactly(more) => (count.saturating_add(more), count.saturating_add(more)),
    };
    if fixed.len() == labels.len() && pattern.leading() == Leading::OneOrMore {
        node.below.unite(mask);
        return;
    }
    let from_root = |index: usize| u8::try_from(labels.len() - 1 - index).unwrap_or(MAX_LABELS);
    let mut checks: Vec<LabelCheck> = labels
        .iter()
        .enumerate()
        .take(labels.len() - fixed.len())
        .map(|(index, label)| LabelCheck { label: from_root(index), ..of_label(label) })
        .collect();
    if checks.is_empty() {
        // The number of labels alone.
        checks.push(any_label());
    }
    let last = checks.len() - 1;
    for (index, check) in checks.iter_mut().enumerate() {
        (check.min_labels, check.max_labels) = (min_labels, max_labels);
        if index == last {
            (check.is_last, check.rules) = (1, *mask);
        }
    }
    node.checks.extend(checks);
}

fn of_label(label: &Label) -> LabelCheck {
    let bytes = |text: &str| u8::try_from(text.len()).unwrap_or(MAX_LABEL_BYTES);
    match label {
        Label::Text(text) => LabelCheck {
            before: LabelText::new(text.as_bytes()),
            min_bytes: bytes(text),
            max_bytes: bytes(text),
            ..any_label()
        },
        Label::Wild { before, after } => LabelCheck {
            before: LabelText::new(before.as_bytes()),
            after: LabelText::new(after.as_bytes()),
            after_bytes: bytes(after),
            min_bytes: bytes(before).saturating_add(bytes(after)).saturating_add(1),
            ..any_label()
        },
    }
}

/// Accepts every label.
fn any_label() -> LabelCheck {
    LabelCheck {
        rules: RuleMask::EMPTY,
        before: LabelText::NOTHING,
        after: LabelText::NOTHING,
        min_labels: 0,
        max_labels: MAX_LABELS,
        label: 0,
        min_bytes: 0,
        max_bytes: MAX_LABEL_BYTES,
        after_bytes: 0,
        is_last: 0,
        padding: 0,
    }
}

/// The key of a name, as long as it is.
fn key<'a, L: DoubleEndedIterator<Item = &'a str>>(labels: L) -> Box<[u8]> {
    let bytes = labels.rev().flat_map(|label| {
        // A label has at most 63 bytes.
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
        std::iter::once(length).chain(label.bytes())
    });
    bytes.collect()
}

/// Where the labels of a key begin, its end included.
fn boundaries(key: &[u8]) -> impl Iterator<Item = usize> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let at = next?;
        next = key.get(at).map(|length| at + 1 + usize::from(*length));
        Some(at)
    })
}

/// A key as a name that is read.
fn text(key: &[u8]) -> String {
    let labels: Vec<String> = boundaries(key)
        .filter_map(|at| {
            let length = usize::from(*key.get(at)?);
            key.get(at + 1..at + 1 + length).map(|label| label.escape_ascii().to_string())
        })
        .collect();
    let labels: Vec<&str> = labels.iter().rev().map(String::as_str).collect();
    labels.join(".")
}

/// The key of a name as a map's key: zero-filled.
pub fn map_key(key: &[u8]) -> NameKey {
    let mut bytes = [0; NAME_BYTES];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    NameKey(bytes)
}

/// The key of a domain name.
pub fn name_key(name: &DomainName) -> NameKey {
    map_key(&key(name.labels()))
}

#[cfg(test)]
mod tests;
