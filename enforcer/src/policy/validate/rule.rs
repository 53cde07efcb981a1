//! One rule.

use super::{endpoint, fields::Fields, name, ports, report::Report};
use crate::{
    policy::{
        Action, Origin, PortRange, PortSpec, Rule,
        document::{Node, Value},
    },
    workload::{SelectorError, WorkloadSelector},
};

pub(in crate::policy) const KEYS: [&str; 6] =
    ["name", "action", "from", "to", "ports", "allowPrivateAnswers"];
/// Selectors of other policies that a newcomer may try.
const OTHERS: [&str; 6] =
    ["pods", "podSelector", "namespace", "namespaces", "namespaceSelector", "labels"];
/// What reads a selector.
type Read = fn(&str) -> Result<WorkloadSelector, SelectorError>;
/// The keys of a selector, with the form of each and what reads it.
const SELECTORS: [(&str, &str, Read); 4] = [
    ("cgroup", WorkloadSelector::CGROUP, WorkloadSelector::cgroup),
    ("unit", WorkloadSelector::UNIT, WorkloadSelector::unit),
    ("container", WorkloadSelector::CONTAINER, WorkloadSelector::container),
    ("pod", WorkloadSelector::POD, WorkloadSelector::pod),
];

/// Reads a rule.
pub(super) fn rule(node: &Node, private_default: bool, report: &mut Report) -> Option<Rule> {
    let fields = Fields::of(node, "a rule", &KEYS, report)?;
    let name_node = fields.needed("name", "a name, such as `name: ntp`", report);
    let rule_name = name_node.and_then(|node| name(node, report));
    let action = fields.get("action").map_or(Some(Action::Allow), |node| action(node, report));
    let from = fields.get("from").map_or_else(|| Some(Vec::new()), |node| from(node, report));
    let everywhere = "`to: [{fqdn: example.com}]`, or `to: [{cidr: any}]` for everywhere";
    let to = fields.needed("to", everywhere, report).and_then(|node| endpoint::list(node, report));
    let ports = match fields.get("ports") {
        Some(node) => ports::list(node, report),
        None => action.map(default_ports),
    };
    let allow_private_answers = fields
        .get("allowPrivateAnswers")
        .map_or(Some(private_default), |node| report.truth(node, "`allowPrivateAnswers`"));
    let place = name_node?.place;
    Some(Rule {
        name: rule_name?,
        action: action?,
        from: from?,
        to: to?,
        ports: ports?,
        allow_private_answers: allow_private_answers?,
        origin: Origin { preset: None, line: place.line, column: place.column },
    })
}

fn action(node: &Node, report: &mut Report) -> Option<Action> {
    /// Words of other firewalls.
    const OTHERS: [(&str, &str); 7] = [
        ("drop", "deny"),
        ("block", "deny"),
        ("reject", "deny"),
        ("refuse", "deny"),
        ("accept", "allow"),
        ("pass", "allow"),
        ("permit", "allow"),
    ];
    let text = node.text();
    if let Some((_, ours)) = OTHERS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)) {
        report.error(node, format!("`{text}` is no action"), format!("write `action: {ours}`"));
        return None;
    }
    report.one_of(node, "action", &[("allow", Action::Allow), ("deny", Action::Deny)])
}

/// What a rule without `ports` is for: an allow opens what programs use, a deny closes everything.
fn default_ports(action: Action) -> Vec<PortSpec> {
    match action {
        Action::Allow => {
            vec![PortSpec::Tcp(PortRange::ANY), PortSpec::Udp(PortRange::ANY), PortSpec::Icmp]
        }
        Action::Deny => vec![PortSpec::Every],
    }
}

pub(super) fn from(node: &Node, report: &mut Report) -> Option<Vec<WorkloadSelector>> {
    let form = "`from: [{cgroup: /system.slice/ci.service}]`";
    let entries = report.list(node, "`from`", form)?;
    if entries.is_empty() {
        report.error(node, "`from` is empty", "remove it for every workload, or name one");
        return None;
    }
    let selectors: Vec<_> = entries.iter().map(|entry| selector(entry, report)).collect();
    selectors.into_iter().collect()
}

fn selector(node: &Node, report: &mut Report) -> Option<WorkloadSelector> {
    if let Value::Mapping(entries) = &node.value
        && let Some((key, _)) = entries.iter().find(|(key, _)| OTHERS.contains(&key.text()))
    {
        let message = format!("the path of a cgroup does not tell `{}`", key.text());
        let help = "select by `pod: any`, `pod: UID`, `container: ID`, `unit: NAME` or \
                    `cgroup: PATH`";
        report.error(key, message, help);
        return None;
    }
    let keys = SELECTORS.map(|(key, ..)| key);
    let fields = Fields::of(node, "an entry of `from`", &keys, report)?;
    let given: Vec<_> = SELECTORS.iter().filter_map(|it| Some((it, fields.get(it.0)?))).collect();
    let [((key, form, read), value)] = given.as_slice() else {
        let message = match given.len() {
            0 => "an entry of `from` names no workload",
            _ => "an entry of `from` selects by one key",
        };
        let help = "write `cgroup`, `unit`, `container` or `pod`; several entries select what any of \
                    them does";
        report.error(node, message, help);
        return None;
    };
    let text = report.text(value, &format!("`{key}`"), form)?;
    match read(text) {
        Ok(selector) => Some(selector),
        Err(SelectorError { message, help }) => {
            report.error(value, message, help);
            None
        }
    }
}
