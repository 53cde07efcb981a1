//! The names in an expression of `PromQL`; the rest of it is Prometheus's to understand.

use std::collections::BTreeSet;

/// What an expression speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Metrics.
    pub(crate) metrics: BTreeSet<String>,
    /// What it asks of labels: metric, label, value or pattern.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// The labels that it groups by, or leaves out.
    pub(crate) groups: BTreeSet<String>,
}

/// Words that are followed by a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are no name.
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The names in an expression without variables.
pub(crate) fn names(expression: &str) -> Names {
    let mut found = Names::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = string(rest).1;
        } else if first.is_ascii_digit() {
            // A number, or a time such as 5m, whose unit is no name.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if is_of_name(first) {
            rest = name(rest, &mut found);
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Takes a word, and what belongs to it, off the beginning.
fn name<'a>(text: &'a str, found: &mut Names) -> &'a str {
    let (word, rest) = text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    if GROUPINGS.contains(&word) {
        let (labels, rest) = rest[1..].split_once(')').expect("a list of labels");
        found.groups.extend(
            labels
                .split(',')
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty()),
        );
        return rest;
    }
    let is_function = rest.starts_with('(') || is_aggregation(rest);
    if is_function || WORDS.contains(&word) {
        return rest;
    }
    found.metrics.insert(word.to_owned());
    let Some(mut rest) = rest.strip_prefix('{') else { return rest };
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return behind;
        }
        let (label, behind) = rest.split_once(['=', '!']).expect("a matcher");
        let (value, behind) = string(behind.trim_start_matches(['=', '~']));
        found.matchers.push((word.to_owned(), label.to_owned(), value.to_owned()));
        rest = behind;
    }
}

/// A string at the beginning, and what is behind it. No expression here has a quote in one.
fn string(text: &str) -> (&str, &str) {
    text.strip_prefix('"').and_then(|text| text.split_once('"')).expect("a string")
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Whether the word before this was `sum` or the like: a grouping follows at once.
fn is_aggregation(rest: &str) -> bool {
    ["by (", "without ("].iter().any(|grouping| rest.starts_with(grouping))
}

#[test]
fn finds_metrics_matchers_and_groups_and_takes_no_function_for_a_metric() {
    let found = names(
        "sum by (node, map) (rate(a_total{x=\"p\", y=~\"q|r\"}[5m] offset 10m)) / 2.5e3 \
         > bool c:d:ratio or absent(up{job!=\"e f\"})",
    );

    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found.metrics, set(&["a_total", "c:d:ratio", "up"]));
    assert_eq!(found.groups, set(&["map", "node"]));
    let matchers: Vec<_> =
        found.matchers.iter().map(|(m, l, v)| (m.as_str(), l.as_str(), v.as_str())).collect();
    assert_eq!(matchers, [("a_total", "x", "p"), ("a_total", "y", "q|r"), ("up", "job", "e f")]);
}
