//! What is valid and probably not what was meant.
//!
//! Owns every doubt about a policy as a whole: wildcards that open more than they seem to, rules
//! that others make moot, destinations that nothing can ever reach. It must not refuse anything,
//! and knows nothing of text: it reads the validated [`Policy`], whose endpoints carry their lines.
//!
//! Two indexes over all endpoints, a tree of names and a table of prefixes, answer "which rules
//! cover this" for one endpoint at a time, so the whole stays near-linear in the size of the
//! policy. Only rules are compared in pairs, and a node has at most 512 of them.
//!
//! The surprising thing: nobody can edit a preset's rows. What is doubtful about them is told once
//! a preset and kind of doubt, at the line that names the preset, and that a row is allowed by an
//! earlier rule as well is not told at all.

mod cover;
mod editions;
mod idle;
mod name_tree;
mod names;
mod open;
mod prefix_index;
mod resolvers;
mod shadow;
mod shared_suffix;

use std::collections::BTreeMap;

use super::{
    Endpoint, Policy, Rule,
    diagnostic::{Diagnostic, Severity},
};

/// How many subjects a message lists before it says how many more there are.
const LISTED: usize = 3;

/// What kind of doubt, for the summary of a preset's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A pattern that strangers can have names under.
    Strangers,
    /// A name that strangers publish under.
    Published,
    /// A name that is not resolved as a policy's author expects.
    Unusual,
    /// A name of a deny rule.
    DenyByName,
    /// A way to ask an encrypted resolver.
    EncryptedDns,
    /// A way to ask a resolver that is not trusted.
    OtherDns,
    /// A rule that leaves others nothing to decide.
    Open,
    /// A rule or destination behind another one.
    Shadow,
    /// A destination or workload that nothing matches.
    Idle,
}

/// One doubt about one rule.
struct Doubt<'p> {
    kind: Kind,
    rule: &'p Rule,
    line: u32,
    column: u32,
    /// The text at that place.
    text: String,
    message: String,
    help: String,
}

impl<'p> Doubt<'p> {
    /// A doubt about a rule as a whole.
    fn of_rule(kind: Kind, rule: &'p Rule, message: String, help: impl Into<String>) -> Self {
        let (line, column) = (rule.origin.line, rule.origin.column);
        Self { kind, rule, line, column, text: rule.name.clone(), message, help: help.into() }
    }

    /// A doubt about a destination of a rule.
    fn of_endpoint(
        kind: Kind,
        rule: &'p Rule,
        endpoint: &Endpoint,
        message: String,
        help: impl Into<String>,
    ) -> Self {
        let (Endpoint::Fqdn { line, column, .. } | Endpoint::Cidr { line, column, .. }) = *endpoint;
        Self { kind, rule, line, column, text: destination(endpoint), message, help: help.into() }
    }
}

/// The doubts about a valid policy, in the order of the file.
pub fn warnings(policy: &Policy) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    for rule in &policy.rules {
        names::doubts(rule, &mut doubts);
        resolvers::doubts(rule, &policy.dns, &mut doubts);
        idle::doubts(rule, &policy.dns, &mut doubts);
    }
    open::doubts(&policy.rules, &mut doubts);
    shadow::doubts(&policy.rules, &mut doubts);
    let mut found = into_diagnostics(doubts);
    found.extend(editions::warnings(policy));
    found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    found
}

fn into_diagnostics(doubts: Vec<Doubt<'_>>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut of_presets: BTreeMap<(&str, Kind), Vec<Doubt<'_>>> = BTreeMap::new();
    for doubt in doubts {
        if let Some(preset) = &doubt.rule.origin.preset {
            of_presets.entry((preset, doubt.kind)).or_default().push(doubt);
        } else {
            let Doubt { line, column, text, message, help, .. } = doubt;
            found.push(warning(line, column, text, message, help));
        }
    }
    let summaries = of_presets.iter().filter_map(|((name, kind), all)| summary(name, *kind, all));
    found.extend(summaries);
    found
}

/// What is doubtful in one way about the rows of one preset.
fn summary(preset: &str, kind: Kind, doubts: &[Doubt<'_>]) -> Option<Diagnostic> {
    let first = doubts.first()?;
    let base = preset.split('@').next().unwrap_or_default().to_owned();
    let (line, column) = (first.rule.origin.line, first.rule.origin.column);
    if doubts.len() == 1 {
        let message = format!("in the preset `{preset}`, {}", first.message);
        let help = format!("`exclude` takes a row out of a preset; {}", first.help);
        return Some(warning(line, column, base, message, help));
    }
    let subjects = listed(doubts.iter().map(|doubt| format!("`{}`", doubt.text)));
    let what = match kind {
        Kind::Strangers => "has wildcards under which strangers can register names",
        Kind::Published => "has names under which strangers publish",
        Kind::Unusual => "has names that are not resolved everywhere",
        Kind::DenyByName => "denies by name",
        Kind::EncryptedDns => "allows encrypted DNS, from which nothing is learned",
        Kind::OtherDns => "allows DNS to servers that are not trusted",
        Kind::Open => "has rules that leave names nothing to decide",
        Kind::Shadow => "has rows that earlier rules deny",
        Kind::Idle => "has destinations that nothing matches",
    };
    let message = format!("the preset `{preset}` {what}: {subjects}");
    let help = "`exclude` takes a row or a condition out of a preset".to_owned();
    Some(warning(line, column, base, message, help))
}

fn warning(line: u32, column: u32, text: String, message: String, help: String) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, line, column, text, message, help }
}

/// The first few, and how many more.
fn listed(subjects: impl ExactSizeIterator<Item = String>) -> String {
    let more = subjects.len().saturating_sub(LISTED);
    let text = subjects.take(LISTED).collect::<Vec<_>>().join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

/// A destination as a policy writes it.
fn destination(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Fqdn { pattern, .. } => pattern.to_string(),
        Endpoint::Cidr { prefix, .. } if prefix.prefix_len() == prefix.max_prefix_len() => {
            prefix.addr().to_string()
        }
        Endpoint::Cidr { prefix, .. } => prefix.to_string(),
    }
}

/// A rule as a message refers to it.
fn reference(rule: &Rule) -> String {
    match &rule.origin.preset {
        Some(preset) => {
            format!("`{}` (preset `{preset}` on line {})", rule.name, rule.origin.line)
        }
        None => format!("`{}` (line {})", rule.name, rule.origin.line),
    }
}

#[cfg(test)]
mod tests;
