//! What stands in the blanks of a preset's rows, such as `{location}`.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{About, Preset, Problem, nearest, quoted};

/// The longest label of a name (RFC 1035, section 2.3.4), which a region becomes.
const MAX_REGION_BYTES: usize = 63;
/// Every address of a family.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// A parameter of a preset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Lower-case words joined by hyphens.
    pub name: String,
    /// What it can be.
    pub kind: Kind,
    /// The words that it can be, for [`Kind::Choice`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What it is unless stated; `None`: it must be stated when a row has a blank for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// A value that it could have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What it means.
    pub description: String,
}

/// What a parameter can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A cloud's region as it stands in names: lower-case letters, digits and hyphens.
    Region,
    /// One of a few words.
    Choice,
    /// Addresses and ranges, separated by commas, or `any`.
    Addresses,
}

/// The valid values of a request, defaults filled in.
pub(super) fn values<'a>(
    preset: &'a Preset,
    given: &'a BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'a str, &'a str> {
    let mut values: BTreeMap<&str, &str> = preset
        .parameters
        .iter()
        .filter_map(|parameter| Some((parameter.name.as_str(), parameter.default.as_deref()?)))
        .collect();
    for (name, value) in given {
        let about = || About::Parameter(name.clone());
        let Some(parameter) = preset.parameters.iter().find(|known| known.name == *name) else {
            let message = format!("the preset `{}` has no parameter `{name}`", preset.name);
            problems.push(Problem { about: about(), message, help: help_with_name(preset, name) });
            continue;
        };
        match parameter.refusal(value) {
            None => {
                values.insert(name, value);
            }
            Some((message, help)) => problems.push(Problem { about: about(), message, help }),
        }
    }
    values
}

fn help_with_name(preset: &Preset, name: &str) -> String {
    let known = || preset.parameters.iter().map(|parameter| parameter.name.as_str());
    match nearest(name, known()) {
        Some(word) => format!("did you mean `{word}`? its parameters are {}", quoted(known())),
        None if preset.parameters.is_empty() => "it has no parameters".to_owned(),
        None => format!("its parameters are {}", quoted(known())),
    }
}

impl Parameter {
    /// Why it cannot have a value, and what would be right.
    fn refusal(&self, value: &str) -> Option<(String, String)> {
        let name = &self.name;
        let example = self.example.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Region if is_region(value) => None,
            Kind::Region => {
                let meant = value.to_ascii_lowercase().replace([' ', '_'], "");
                let help = if is_region(&meant) { &meant } else { example };
                Some((
                    format!("`{name}` is `{value}`, which cannot be part of a name"),
                    format!("write it as names have it: `{help}`"),
                ))
            }
            Kind::Choice if self.choices.iter().any(|choice| choice == value) => None,
            Kind::Choice => {
                let list = quoted(&self.choices);
                let help = match nearest(value, self.choices.iter().map(String::as_str)) {
                    Some(word) => format!("did you mean `{word}`? it is one of {list}"),
                    None => format!("write one of {list}"),
                };
                Some((format!("`{name}` is `{value}`, which it cannot be"), help))
            }
            Kind::Addresses if addresses(value).is_some() => None,
            Kind::Addresses => Some((
                format!("`{name}` is `{value}`, which is no list of addresses"),
                format!("write addresses or ranges separated by commas, such as `{example}`"),
            )),
        }
    }
}

fn is_region(text: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= MAX_REGION_BYTES
        && text.bytes().all(is_inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The ranges that a text lists; `None` when it is no list of them.
pub(super) fn addresses(text: &str) -> Option<Vec<IpNet>> {
    if text == "any" {
        return EVERYWHERE.iter().map(|range| range.parse().ok()).collect();
    }
    let range = |text: &str| {
        let text = text.trim();
        let range = text.parse::<IpNet>().ok();
        let range = range.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
        let is_mapped = range.addr().to_canonical() != range.addr();
        (!is_mapped && range.trunc() == range).then_some(range)
    };
    text.split(',').map(range).collect()
}

/// The names of the blanks in a text.
pub(super) fn blanks(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// A text with its blanks filled in; the name of the first that has no value otherwise.
pub(super) fn fill<'t>(text: &'t str, values: &BTreeMap<&str, &str>) -> Result<String, &'t str> {
    let mut filled = text.to_owned();
    for blank in blanks(text) {
        let value = values.get(blank).ok_or(blank)?;
        filled = filled.replace(&format!("{{{blank}}}"), value);
    }
    Ok(filled)
}
