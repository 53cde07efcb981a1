//! From a located tree to a [`Policy`]: every value read, every fault reported at its place.
//!
//! A reader of a value returns `None` after it has reported why; whoever asked goes on with the
//! rest, so that one run shows all faults of a file. A policy comes out only if there is none.

pub(super) mod bypass;
pub(super) mod dns;
pub(super) mod endpoint;
mod fields;
pub(super) mod forwarded;
mod ports;
pub(super) mod presets;
mod report;
pub(super) mod rule;

use std::collections::HashMap;

use self::{fields::Fields, report::Report};
use super::{
    API_VERSION, Action, Bypass, Mode, Parsed, Policy, compile,
    diagnostic::Severity,
    document::{Node, Value},
    warn,
};

const KIND: &str = "EgressPolicy";
/// What the name of a policy or rule may hold.
const NAME_HELP: &str = "1 to 63 of `a-z 0-9 - _ . / @ : *`";
const MAX_NAME_BYTES: usize = 63;

/// Keys of the document.
pub(super) const KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Keys of `metadata`: what a Kubernetes object carries besides the name means nothing here.
pub(super) const METADATA_KEYS: [&str; 4] = ["name", "namespace", "labels", "annotations"];
/// Keys of `spec`.
pub(super) const SPEC_KEYS: [&str; 8] = [
    "mode",
    "dns",
    "presets",
    "rules",
    "virtualRanges",
    "allowPrivateAnswers",
    "bypass",
    "forwarded",
];

/// Reads the root of a document.
pub(super) fn validate(root: &Node) -> Parsed {
    let mut report = Report::default();
    let policy = policy(root, &mut report);
    if report.is_clean()
        && let Some(policy) = &policy
        && let Err(error) = compile::fits(policy)
    {
        report.error(rules_of(root), error.to_string(), "see `enforcer presets list` for theirs");
    }
    let mut diagnostics = report.into_sorted();
    let is_valid = diagnostics.iter().all(|found| found.severity != Severity::Error);
    let policy = policy.filter(|_| is_valid);
    if let Some(policy) = &policy {
        diagnostics.extend(warn::warnings(policy));
        diagnostics.sort_by_key(|found| (found.line, found.column));
    }
    Parsed { policy, diagnostics }
}

fn policy(root: &Node, report: &mut Report) -> Option<Policy> {
    if matches!(root.value, Value::Nothing) {
        let help = format!("a policy begins with `apiVersion: {API_VERSION}`, `kind: {KIND}`");
        report.error(root, "the policy is empty", help);
        return None;
    }
    let fields = Fields::of(root, "a policy", &KEYS, report)?;
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if let Some(node) = fields.needed(key, &format!("`{key}: {wanted}`"), report)
            && let Some(text) = report.text(node, &format!("`{key}`"), &format!("`{wanted}`"))
            && text != wanted
        {
            let message = format!("`{key}` is `{text}`, which this version does not read");
            report.error(node, message, format!("write `{key}: {wanted}`"));
        }
    }
    let name = fields
        .needed("metadata", "`metadata: {name: my-node}`", report)
        .and_then(|node| metadata(node, report));
    let spec = fields.needed("spec", "`spec: {rules: []}`", report)?;
    let mut policy = self::spec(spec, report)?;
    policy.name = name?;
    Some(policy)
}

fn metadata(node: &Node, report: &mut Report) -> Option<String> {
    let fields = Fields::of(node, "`metadata`", &METADATA_KEYS, report)?;
    let name = fields.needed("name", "a name, such as `name: my-node`", report)?;
    self::name(name, report)
}

fn spec(node: &Node, report: &mut Report) -> Option<Policy> {
    let fields = Fields::of(node, "`spec`", &SPEC_KEYS, report)?;
    let modes = [("enforce", Mode::Enforce), ("audit", Mode::Audit)];
    let mode = fields.get("mode").map(|node| report.one_of(node, "mode", &modes));
    let dns =
        fields.get("dns").map_or_else(|| Some(dns::defaults()), |node| dns::settings(node, report));
    let allow_private_answers = fields
        .get("allowPrivateAnswers")
        .and_then(|node| report.truth(node, "`allowPrivateAnswers`"))
        .unwrap_or(false);
    let virtual_ranges = fields.get("virtualRanges").map(|node| {
        let entries = report.list(node, "`virtualRanges`", "`[10.96.0.0/12]`").unwrap_or_default();
        entries.iter().filter_map(|entry| endpoint::prefix(entry, report)).collect()
    });
    let bypass = fields
        .get("bypass")
        .map_or_else(|| Some(Bypass::default()), |node| bypass::bypass(node, report));
    let rejects_forwarded =
        fields.get("forwarded").map_or(Some(false), |node| forwarded::rejects(node, report));
    let has_rules = fields.get("rules").is_some() || fields.get("presets").is_some();
    if !has_rules && report.is_clean() {
        // A file that is written in place is seen half written, too.
        report.error(
            node,
            "`spec` has neither `rules` nor `presets`",
            "write `rules: []` if nothing is to be allowed",
        );
    }
    let mut rules = Vec::new();
    if let Some(node) = fields.get("rules") {
        let entries = report.list(node, "`rules`", "`rules: []` for none").unwrap_or_default();
        refuse_twins(entries, report);
        rules.extend(
            entries.iter().filter_map(|entry| rule::rule(entry, allow_private_answers, report)),
        );
    }
    if let Some(node) = fields.get("presets") {
        let expanded = presets::rules(node, allow_private_answers, report);
        presets::refuse_clashes(&rules, &expanded, report);
        // What denies guards against the rules of the file as well: it comes first.
        let (deny, allow): (Vec<_>, Vec<_>) =
            expanded.into_iter().partition(|rule| rule.action == Action::Deny);
        rules = [deny, rules, allow].concat();
    }
    Some(Policy {
        name: String::new(),
        mode: mode.unwrap_or(Some(Mode::Enforce))?,
        dns: dns?,
        virtual_ranges,
        bypass: bypass?,
        rejects_forwarded: rejects_forwarded?,
        rules,
    })
}

/// Where the rules are, or what should have them.
fn rules_of(root: &Node) -> &Node {
    let below = |node: &'_ Node, key: &str| -> Option<usize> {
        let Value::Mapping(entries) = &node.value else { return None };
        entries.iter().position(|(name, _)| name.text() == key)
    };
    let mut node = root;
    for key in ["spec", "rules"] {
        let (Some(index), Value::Mapping(entries)) = (below(node, key), &node.value) else { break };
        let Some((name, value)) = entries.get(index) else { break };
        node = if key == "rules" { name } else { value };
    }
    node
}

/// Two rules of one name could not be told apart in counters.
fn refuse_twins(rules: &[Node], report: &mut Report) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for rule in rules {
        let Value::Mapping(entries) = &rule.value else { continue };
        let Some((_, name)) = entries.iter().find(|(key, _)| key.text() == "name") else {
            continue;
        };
        let Value::Scalar(text) = &name.value else { continue };
        if let Some(line) = seen.get(text.as_str()) {
            let message = format!("the name `{text}` is taken by the rule on line {line}");
            report.error(name, message, "give each rule its own name");
        } else {
            seen.insert(text, name.place.line);
        }
    }
}

/// The name of a policy or rule.
fn name(node: &Node, report: &mut Report) -> Option<String> {
    let text = report.text(node, "`name`", "a name, such as `ntp`")?;
    let is_allowed = |b: u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'-' | b'_' | b'.' | b'/' | b'@' | b':' | b'*')
    };
    if !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(is_allowed) {
        return Some(text.to_owned());
    }
    let what = if text.is_empty() {
        "a name cannot be empty".to_owned()
    } else if text.len() > MAX_NAME_BYTES {
        format!("the name has {} bytes, and {MAX_NAME_BYTES} is the most", text.len())
    } else {
        format!("`{text}` is not a valid name")
    };
    report.error(node, what, format!("a name is {NAME_HELP}"));
    None
}
