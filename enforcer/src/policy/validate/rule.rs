//! One rule.

use super::{endpoint, fields::Fields, name, ports, report::Report};
use crate::policy::{Action, Origin, PortRange, PortSpec, Rule, WorkloadSelector, document::Node};

pub(in crate::policy) const KEYS: [&str; 6] =
    ["name", "action", "from", "to", "ports", "allowPrivateAnswers"];
/// Selectors of other policies that a newcomer may try.
const LATER: [&str; 6] =
    ["pod", "pods", "podSelector", "namespace", "namespaces", "namespaceSelector"];

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

fn from(node: &Node, report: &mut Report) -> Option<Vec<WorkloadSelector>> {
    let form = "`from: [{cgroup: /system.slice/ci.service}]`";
    let entries = report.list(node, "`from`", form)?;
    if entries.is_empty() {
        report.error(node, "`from` is empty", "remove it for every workload, or name a cgroup");
        return None;
    }
    let selectors: Vec<_> = entries.iter().map(|entry| selector(entry, report)).collect();
    selectors.into_iter().collect()
}

fn selector(node: &Node, report: &mut Report) -> Option<WorkloadSelector> {
    if let crate::policy::document::Value::Mapping(entries) = &node.value
        && let Some((key, _)) = entries.iter().find(|(key, _)| LATER.contains(&key.text()))
    {
        let message = format!("`{}` is not in this version", key.text());
        report.error(key, message, "select by cgroup: `{cgroup: /kubepods.slice}`");
        return None;
    }
    let fields = Fields::of(node, "an entry of `from`", &["cgroup"], report)?;
    let form = "a path from the cgroup v2 root, such as `cgroup: /system.slice/ci.service`";
    let path = fields.needed("cgroup", form, report)?;
    let text = report.text(path, "`cgroup`", form)?;
    let trimmed = text.trim_end_matches('/');
    let message = if !text.starts_with('/') {
        format!("`{text}` is no absolute path")
    } else if text.starts_with("/sys/fs/cgroup") {
        format!("`{text}` is a path of the file system")
    } else if trimmed.is_empty() {
        "the root cgroup is every workload".to_owned()
    } else if trimmed.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        format!("`{text}` has an empty part, `.` or `..`")
    } else if text.contains('*') {
        "a cgroup path has no wildcards: a cgroup stands for all below it".to_owned()
    } else {
        return Some(WorkloadSelector::Cgroup(trimmed.to_owned()));
    };
    let help =
        if trimmed.is_empty() { "remove `from`".to_owned() } else { format!("write {form}") };
    report.error(path, message, help);
    None
}
