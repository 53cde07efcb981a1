//! Presets that a policy names, expanded.

use std::collections::{BTreeMap, HashMap};

use super::{fields::Fields, report::Report, rule};
use crate::{
    policy::{
        Endpoint, Origin, Rule,
        document::{Node, Place, Value},
        preset::{self, About, PresetDestination, PresetRule, Problem, Request},
    },
    workload::WorkloadSelector,
};

pub(in crate::policy) const KEYS: [&str; 5] = ["name", "parameters", "include", "exclude", "from"];
const FORM: &str = "`presets: [{name: aks, parameters: {location: japaneast}}]`";

/// The rules of all presets, in order.
pub(super) fn rules(node: &Node, private_default: bool, report: &mut Report) -> Vec<Rule> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut rules = Vec::new();
    for entry in report.list(node, "`presets`", FORM).unwrap_or_default() {
        let Some(Mention { name, dated, from, rules: expanded }) = mention(entry, report) else {
            continue;
        };
        let base = dated.split('@').next().unwrap_or_default().to_owned();
        if let Some(line) = seen.get(&base) {
            let message = format!("the preset `{base}` is named on line {line} already");
            report.error(name, message, "name it once, with everything it should include");
            continue;
        }
        seen.insert(base, name.place.line);
        rules.extend(
            expanded
                .into_iter()
                .map(|rule| self::rule(rule, name.place, &dated, &from, private_default)),
        );
    }
    rules
}

/// A rule of the file that has the name of a preset's.
pub(super) fn refuse_clashes(own: &[Rule], expanded: &[Rule], report: &mut Report) {
    let names: HashMap<&str, u32> =
        expanded.iter().map(|rule| (rule.name.as_str(), rule.origin.line)).collect();
    for rule in own {
        if let Some(line) = names.get(rule.name.as_str()) {
            let message = format!("the name `{}` is taken by the preset on line {line}", rule.name);
            report.error_at(&rule.origin, &rule.name, message, "give the rule another name");
        }
    }
}

/// What a policy says of a preset.
struct Mention<'n> {
    name: &'n Node,
    /// The name with its date.
    dated: String,
    /// Whom its rules are for; empty: everybody.
    from: Vec<WorkloadSelector>,
    rules: Vec<PresetRule>,
}

fn mention<'n>(node: &'n Node, report: &mut Report) -> Option<Mention<'n>> {
    let fields = Fields::of(node, "an entry of `presets`", &KEYS, report)?;
    let name = fields.needed("name", "the name of a preset, such as `name: aks`", report);
    let parameters =
        fields.get("parameters").map_or(Some(Vec::new()), |node| parameters(node, report));
    let groups = |key, report: &mut Report| {
        fields.get(key).map_or(Some(Vec::new()), |node| texts(node, key, report))
    };
    let (include, exclude) = (groups("include", report), groups("exclude", report));
    let from = fields.get("from").map_or(Some(Vec::new()), |node| rule::from(node, report));
    let (parameters, include, exclude) = (parameters?, include?, exclude?);
    let name = name?;
    let text = report.text(name, "`name`", "the name of a preset, such as `name: aks`")?;
    let values: BTreeMap<String, String> = parameters
        .iter()
        .map(|(key, value)| (key.text().to_owned(), value.text().to_owned()))
        .collect();
    let owned = |nodes: &[&Node]| -> Vec<String> {
        nodes.iter().map(|node| node.text().to_owned()).collect()
    };
    let (included, excluded) = (owned(&include), owned(&exclude));
    let request =
        Request { name: text, parameters: &values, include: &included, exclude: &excluded };
    match preset::expand(&request) {
        Ok((dated, rules)) => Some(Mention { name, dated, from: from?, rules }),
        Err(problems) => {
            for Problem { about, message, help } in problems {
                let entry = |nodes: &[&'n Node], text: &str| {
                    nodes.iter().copied().find(|node| node.text() == text)
                };
                let at = match &about {
                    About::Name => Some(name),
                    About::Parameter(key) => parameters
                        .iter()
                        .find(|(name, _)| name.text() == key)
                        .map(|(_, value)| *value),
                    About::Include(text) => entry(&include, text),
                    About::Exclude(text) => entry(&exclude, text),
                };
                report.error(at.unwrap_or(name), message, help);
            }
            None
        }
    }
}

fn parameters<'n>(node: &'n Node, report: &mut Report) -> Option<Vec<(&'n Node, &'n Node)>> {
    let Value::Mapping(entries) = &node.value else {
        let message = format!("`parameters` is {}, and a mapping is wanted", node.kind());
        report.error(node, message, "write `parameters: {location: japaneast}`");
        return None;
    };
    let mut found: Vec<(&Node, &Node)> = Vec::new();
    for (key, value) in entries {
        if found.iter().any(|(seen, _)| seen.text() == key.text()) {
            let message = format!("the key `{}` stands here twice", key.text());
            report.error(key, message, "keep one of them");
            return None;
        }
        report.text(value, &format!("the parameter `{}`", key.text()), "one text")?;
        found.push((key, value));
    }
    Some(found)
}

fn texts<'n>(node: &'n Node, key: &str, report: &mut Report) -> Option<Vec<&'n Node>> {
    let entries = report.list(node, &format!("`{key}`"), &format!("`{key}: [optional]`"))?;
    let what = format!("an entry of `{key}`");
    entries.iter().map(|entry| report.text(entry, &what, "one text").map(|_| entry)).collect()
}

fn rule(
    rule: PresetRule,
    place: Place,
    dated: &str,
    from: &[WorkloadSelector],
    private_default: bool,
) -> Rule {
    let Place { line, column } = place;
    let to = rule.to.into_iter().map(|destination| match destination {
        PresetDestination::Fqdn(pattern) => Endpoint::Fqdn { pattern, line, column },
        PresetDestination::Cidr(prefix) => {
            Endpoint::Cidr { prefix, except: Vec::new(), line, column }
        }
    });
    Rule {
        name: rule.name,
        action: rule.action,
        from: from.to_vec(),
        to: to.collect(),
        ports: rule.ports,
        allow_private_answers: private_default || rule.allow_private_answers,
        origin: Origin { preset: Some(dated.to_owned()), line, column },
    }
}
