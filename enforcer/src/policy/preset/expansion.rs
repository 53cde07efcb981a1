//! From selected rows to rules.
//!
//! Rows of one destination and the same ports are one rule. A destination with several sets of
//! ports is several rules, so that each has its counters, and their names end in the port. Names
//! depend on the file alone, not on what is selected: counters go on when a condition is added.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{
    About, Destination, Effect, Parameter, Preset, PresetDestination, PresetRule, Problem, Request,
    Row,
    document::PRIVATE_LINK,
    parameter::{self, Kind, addresses, blanks, fill},
    quoted, selection,
};
use crate::{fqdn::Pattern, policy::Action};

/// The longest name of a rule.
const MAX_NAME_BYTES: usize = 63;

/// The rules of a request, in the order of the rows.
pub(super) fn rules(
    preset: &Preset,
    request: &Request<'_>,
) -> Result<Vec<PresetRule>, Vec<Problem>> {
    let mut problems = Vec::new();
    let values = parameter::values(preset, request.parameters, &mut problems);
    let rows = selection::rows(preset, request, &values, &mut problems);
    if problems.is_empty() {
        let needed = without_value(preset, &rows, &values);
        problems.extend(needed.into_iter().map(|parameter| missing(preset, parameter)));
        problems.extend(unused(preset, request, &rows));
        if rows.is_empty() {
            problems.push(nothing(preset));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let is_private = values.get(PRIVATE_LINK).is_some_and(|value| *value == "true");
    let mut rules: Vec<PresetRule> = Vec::new();
    for row in rows {
        let Some(rule) = rule(preset, row, &values, is_private) else { continue };
        match rules.iter_mut().find(|known| known.name == rule.name) {
            Some(known) => known.allow_private_answers |= rule.allow_private_answers,
            None => rules.push(rule),
        }
    }
    Ok(rules)
}

fn rule(
    preset: &Preset,
    row: &Row,
    values: &BTreeMap<&str, &str>,
    is_private: bool,
) -> Option<PresetRule> {
    let filled = fill(row.text(), values).ok()?;
    let to = match row.destination() {
        Destination::Fqdn(_) => vec![PresetDestination::Fqdn(Pattern::parse(&filled, None).ok()?)],
        Destination::Cidr(_) => {
            addresses(&filled)?.into_iter().map(PresetDestination::Cidr).collect()
        }
    };
    let label = match row.destination() {
        Destination::Fqdn(_) => filled.as_str(),
        // An address that a user fills in may change; what it is for does not.
        Destination::Cidr(text) => blanks(text).next().unwrap_or(&filled),
    };
    let mut name = format!("{}/{label}", preset.name);
    if has_siblings(preset, row) {
        name.push(':');
        name.push_str(&row.ports.join(":"));
    }
    Some(PresetRule {
        name: shorten(name),
        action: match preset.action {
            Effect::Allow => Action::Allow,
            Effect::Deny => Action::Deny,
        },
        to,
        ports: row.specs()?,
        allow_private_answers: is_private && row.private_link,
    })
}

/// Whether the file has rows of the same destination with other ports.
fn has_siblings(preset: &Preset, row: &Row) -> bool {
    preset
        .rows
        .iter()
        .any(|other| other.destination() == row.destination() && other.ports != row.ports)
}

/// A name of at most 63 bytes, the same for the same name.
fn shorten(name: String) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let digest = Sha256::digest(&name);
    let digest = digest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let tail = format!("..{digest:08x}");
    // Names of rules are ASCII, so every byte is a place to cut.
    let kept: String = name.chars().take(MAX_NAME_BYTES - tail.len()).collect();
    kept + &tail
}

/// The parameters that a request leaves without a value and has a blank for.
pub(super) fn needed<'p>(preset: &'p Preset, request: &Request<'_>) -> Vec<&'p Parameter> {
    let mut problems = Vec::new();
    let values = parameter::values(preset, request.parameters, &mut problems);
    let rows = selection::rows(preset, request, &values, &mut problems);
    without_value(preset, &rows, &values)
}

fn without_value<'p>(
    preset: &'p Preset,
    rows: &[&Row],
    values: &BTreeMap<&str, &str>,
) -> Vec<&'p Parameter> {
    let needed: BTreeSet<&str> = rows.iter().flat_map(|row| blanks(row.text())).collect();
    let is_missing = |name: &str| needed.contains(name) && !values.contains_key(name);
    preset.parameters.iter().filter(|parameter| is_missing(&parameter.name)).collect()
}

fn missing(preset: &Preset, parameter: &Parameter) -> Problem {
    let name = &parameter.name;
    let example = parameter.example.as_deref().unwrap_or_default();
    Problem {
        about: About::Name,
        message: format!(
            "the preset `{}` needs the parameter `{name}`: {}",
            preset.name, parameter.description
        ),
        help: format!("write `parameters: {{{name}: {example}}}`"),
    }
}

/// Addresses that somebody filled in and that no selected row has a blank for: whoever wrote them
/// believes them allowed.
fn unused(preset: &Preset, request: &Request<'_>, rows: &[&Row]) -> Vec<Problem> {
    let has_blank = |row: &Row, name: &str| blanks(row.text()).any(|blank| blank == name);
    let given = preset.parameters.iter().filter(|parameter| {
        parameter.kind == Kind::Addresses && request.parameters.contains_key(&parameter.name)
    });
    let idle = given.filter(|parameter| !rows.iter().any(|row| has_blank(row, &parameter.name)));
    let problem = |parameter: &Parameter| {
        let name = &parameter.name;
        let with_blank = preset.rows.iter().filter(|row| has_blank(row, name));
        let conditions: BTreeSet<&str> = with_blank.filter_map(|row| row.when.as_deref()).collect();
        Problem {
            about: About::Parameter(name.clone()),
            message: format!("`{name}` is given, and no row that is switched on uses it"),
            help: format!("remove it, or include {}", quoted(conditions)),
        }
    };
    idle.map(problem).collect()
}

fn nothing(preset: &Preset) -> Problem {
    let conditions = preset.conditions.iter().map(|condition| condition.name.as_str());
    Problem {
        about: About::Name,
        message: format!("nothing of the preset `{}` is switched on", preset.name),
        help: format!("include some of {}", quoted(conditions)),
    }
}
