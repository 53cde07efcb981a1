//! Which rules cover a name pattern: all patterns in one tree, label by label from the right.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
};

use enforcer_common::rule_mask::RuleMask;

use crate::fqdn::{Label, Leading, Pattern};

const ROOT: u32 = 0;

/// The patterns of all rules.
///
/// A node is a run of labels from the right. Texts are numbered, and edges are kept in one table
/// for all nodes, so that 100,000 names cost two entries a label.
#[derive(Default)]
pub(super) struct NameTree {
    texts: HashMap<String, u32>,
    labels: HashMap<(u32, u32), u32>,
    /// Edges of wildcard labels: node, text before and behind the `*`.
    wilds: HashMap<(u32, u32, u32), u32>,
    /// The lengths of the texts around the `*` of a node's wildcard edges.
    lengths: HashMap<u32, BTreeSet<(usize, usize)>>,
    /// Rules with a pattern that ends at a node.
    ends: HashMap<u32, RuleMask>,
    /// Rules with a pattern that goes on with one or more labels of any text.
    opens: HashMap<u32, RuleMask>,
    nodes: u32,
    steps: Cell<usize>,
}

impl NameTree {
    pub(super) fn add(&mut self, pattern: &Pattern, rule: u16) {
        let (labels, is_open) = normal(pattern);
        let mut node = ROOT;
        for label in labels.iter().rev() {
            node = match label {
                Label::Text(text) => {
                    let edge = (node, self.number(text));
                    *self.labels.entry(edge).or_insert_with(|| next(&mut self.nodes))
                }
                Label::Wild { before, after } => {
                    self.lengths.entry(node).or_default().insert((before.len(), after.len()));
                    let edge = (node, self.number(before), self.number(after));
                    *self.wilds.entry(edge).or_insert_with(|| next(&mut self.nodes))
                }
            };
        }
        let masks = if is_open { &mut self.opens } else { &mut self.ends };
        masks.entry(node).or_default().insert(rule);
    }

    /// The rules with a pattern that accepts every name that `pattern` accepts.
    pub(super) fn cover(&self, pattern: &Pattern) -> RuleMask {
        let (mut labels, is_open) = normal(pattern);
        labels.reverse();
        let mut found = RuleMask::EMPTY;
        let mut ahead = vec![(ROOT, labels.as_slice())];
        while let Some((node, rest)) = ahead.pop() {
            self.steps.set(self.steps.get() + 1);
            if (!rest.is_empty() || is_open)
                && let Some(open) = self.opens.get(&node)
            {
                found.unite(open);
            }
            let Some((label, rest)) = rest.split_first() else {
                if let Some(end) = self.ends.get(&node).filter(|_| !is_open) {
                    found.unite(end);
                }
                continue;
            };
            ahead.extend(self.edges(node, label).map(|next| (next, rest)));
        }
        found
    }

    /// How many nodes all searches have looked at.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.steps.get()
    }

    /// The nodes behind `node` whose label accepts all that `label` accepts.
    fn edges<'t>(&'t self, node: u32, label: &'t Label) -> impl Iterator<Item = u32> + use<'t> {
        let exact = match label {
            Label::Text(text) => {
                self.texts.get(text).and_then(|text| self.labels.get(&(node, *text)))
            }
            Label::Wild { .. } => None,
        };
        let lengths = self.lengths.get(&node).into_iter().flatten();
        let wild = lengths.filter_map(move |(before, after)| {
            self.steps.set(self.steps.get() + 1);
            let (head, tail) = ends_of(label, *before, *after)?;
            let (head, tail) = (self.texts.get(head)?, self.texts.get(tail)?);
            self.wilds.get(&(node, *head, *tail))
        });
        exact.into_iter().chain(wild).copied()
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.insert(text.to_owned(), number);
        number
    }
}

fn next(nodes: &mut u32) -> u32 {
    *nodes += 1;
    *nodes
}

/// The first and last bytes that every text of a label has, where at least one is between them.
fn ends_of(label: &Label, before: usize, after: usize) -> Option<(&str, &str)> {
    let (head, tail) = match label {
        Label::Text(text) if text.len() > before + after => (text, text),
        Label::Text(_) => return None,
        Label::Wild { before, after } => (before, after),
    };
    let start = tail.len().checked_sub(after)?;
    Some((head.get(..before)?, tail.get(start..)?))
}

/// The labels of a pattern, and whether one or more others of any text stand in front.
fn normal(pattern: &Pattern) -> (Vec<Label>, bool) {
    let labels = pattern.labels();
    match pattern.leading() {
        Leading::Nothing => (labels, false),
        Leading::OneOrMore => (labels, true),
        Leading::Exactly(count) => {
            let any = Label::Wild { before: String::new(), after: String::new() };
            let mut all = vec![any; usize::from(count)];
            all.extend(labels);
            (all, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NameTree, Pattern};

    fn pattern(text: &str) -> Pattern {
        let (text, labels) = text.split_once('#').unwrap_or((text, ""));
        Pattern::parse(text, labels.parse().ok()).unwrap()
    }

    /// Outer, inner (`#N`: `labels: N`), and whether the outer covers the inner.
    const CASES: &[(&str, &str, bool)] = &[
        ("a.example", "a.example", true),
        ("a.example", "b.example", false),
        ("a.example", "*.example", false),
        ("*.example", "a.example", true),
        ("*.example", "a.b.example", true),
        ("*.example", "example", false),
        ("*.example", "xexample", false),
        ("*.example", "*.example", true),
        ("*.example", "*.b.example", true),
        ("*.b.example", "*.example", false),
        ("*", "a.example", true),
        ("*", "*", true),
        ("*.example", "*", false),
        ("*.example#1", "a.example", true),
        ("*.example#1", "a.b.example", false),
        ("*.example#1", "*.example", false),
        ("*.example#2", "*.example#1", false),
        ("*.example", "*.example#2", true),
        ("*.example#2", "*.b.example#1", true),
        ("md-*.example", "md-1.example", true),
        ("md*.example", "md.example", false),
        ("md-*.example", "a.md-1.example", false),
        ("md-*.example", "md-1*.example", true),
        ("md-1*.example", "md-*.example", false),
        ("*-x.example", "a-x.example", true),
        ("a*a.example", "aa.example", false),
        ("a*a.example", "aba.example", true),
        ("a.*.example", "a.b.example", true),
        ("a.*.example", "a.b*.example", true),
        ("a.*.example", "*.example", false),
        ("*.md-*.example", "x.y.md-1.example", true),
        ("*.md-*.example", "md-1.example", false),
    ];

    #[test]
    fn covers_what_it_accepts_and_no_more() {
        for (outer, inner, expected) in CASES {
            let mut tree = NameTree::default();
            tree.add(&pattern(outer), 7);
            let found = tree.cover(&pattern(inner));
            assert_eq!(found.contains(7), *expected, "{outer} over {inner}");
        }
    }

    #[test]
    fn keeps_rules_apart() {
        let mut tree = NameTree::default();
        for (rule, text) in ["*.example", "a.example", "*.a.example"].iter().enumerate() {
            tree.add(&pattern(text), u16::try_from(rule).unwrap());
        }

        assert_eq!(tree.cover(&pattern("a.example")).slots().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(tree.cover(&pattern("b.a.example")).slots().collect::<Vec<_>>(), [0, 2]);
        assert!(tree.cover(&pattern("*.test")).is_empty());
    }
}
