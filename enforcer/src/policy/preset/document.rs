//! The form of a preset file, and what must hold for it beyond its form.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::parameter::{Parameter, addresses, blanks};
use crate::{
    fqdn::Pattern,
    policy::{PortRange, PortSpec},
};

/// The word that excludes every row marked so, and can be no condition.
pub(super) const DEPRECATED: &str = "deprecated";
/// The parameter whose value a row's `cloud` is compared with.
pub(super) const CLOUD: &str = "cloud";
/// The parameter that lets rows marked `privateLink` learn private addresses.
pub(super) const PRIVATE_LINK: &str = "private-link";

/// One preset file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The name without its date, such as `aks`.
    pub name: String,
    /// The date of what it copies: year and month, or the year alone.
    pub date: String,
    /// What it is about.
    pub title: String,
    /// What its rules do.
    #[serde(default, skip_serializing_if = "Effect::is_allow")]
    pub action: Effect,
    /// The pages that it copies.
    pub sources: Vec<Source>,
    /// What a reader should know: one sentence or a few each.
    pub notes: Vec<String>,
    /// What can stand in the blanks of rows.
    pub parameters: Vec<Parameter>,
    /// Groups of rows that a policy can switch.
    pub conditions: Vec<Condition>,
    /// The destinations.
    pub rows: Vec<Row>,
}

/// What all rules of a preset do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// They allow, behind the rules of the file.
    #[default]
    Allow,
    /// They deny, in front of them.
    Deny,
}

impl Effect {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
    fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its title.
    pub title: String,
    /// The date that it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// When it was read, where it carries no date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
}

/// A group of rows that not every node needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Lower-case words joined by hyphens.
    pub name: String,
    /// When it applies.
    pub description: String,
    /// Whether its rows are taken unless a policy excludes them.
    #[serde(default)]
    pub default: bool,
}

/// A destination and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    fqdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr: Option<String>,
    /// `tcp/443`, `udp/123`; never empty.
    pub ports: Vec<String>,
    /// The condition that it belongs to; `None`: every node needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The value of the parameter `cloud` that it is for; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Whether the page announces that something else takes its place.
    #[serde(default)]
    pub deprecated: bool,
    /// Whether the name was worked out from a service's name, not read on the page.
    #[serde(default)]
    pub derived: bool,
    /// Whether the service can have private addresses.
    #[serde(default)]
    pub private_link: bool,
    /// Which of the preset's sources lists it, from 0.
    #[serde(default)]
    pub source: usize,
    /// What it is for.
    pub purpose: String,
}

/// Where a row leads, blanks included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination<'a> {
    /// A name or pattern.
    Fqdn(&'a str),
    /// A range, `any`, or one blank for ranges.
    Cidr(&'a str),
}

/// Why a text is no preset.
#[derive(Debug, thiserror::Error)]
pub(super) enum PresetError {
    #[error(transparent)]
    Form(#[from] serde_saphyr::Error),
    #[error("the row `{0}` needs one of `fqdn` and `cidr`, and ports such as `tcp/443`")]
    Row(String),
    #[error("`{0}` is used and not declared")]
    Undeclared(String),
    #[error("`{0}` is declared twice, or is no lower-case word")]
    Word(String),
}

impl Preset {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A form that is not this one, and names that are used and not declared.
    pub(super) fn read(text: &str) -> Result<Self, PresetError> {
        let mut options = serde_saphyr::Options::default();
        options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::Error;
        options.strict_booleans = true;
        let preset: Self = serde_saphyr::from_str_with_options(text, options)?;
        preset.check()?;
        Ok(preset)
    }

    /// The name with its date, such as `aks@2026-06`.
    pub fn dated(&self) -> String {
        format!("{}@{}", self.name, self.date)
    }

    /// The condition of a name.
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.name == name)
    }

    fn check(&self) -> Result<(), PresetError> {
        let conditions = self.conditions.iter().map(|condition| condition.name.as_str());
        let parameters = self.parameters.iter().map(|parameter| parameter.name.as_str());
        let mut seen = HashSet::from([DEPRECATED]);
        for word in conditions.chain(parameters) {
            let is_word = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !is_word || word != word.to_ascii_lowercase() || !seen.insert(word) {
                return Err(PresetError::Word(word.to_owned()));
            }
        }
        self.rows.iter().try_for_each(|row| self.check_row(row))
    }

    fn check_row(&self, row: &Row) -> Result<(), PresetError> {
        let text = row.text();
        if row.fqdn.is_some() == row.cidr.is_some() || row.specs().is_none() {
            return Err(PresetError::Row(text.to_owned()));
        }
        let undeclared = |name: &str| Err(PresetError::Undeclared(name.to_owned()));
        if let Some(when) = row.when.as_deref().filter(|when| self.condition(when).is_none()) {
            return undeclared(when);
        }
        let parameter = |name: &str| self.parameters.iter().find(|known| known.name == name);
        if let Some(cloud) = &row.cloud
            && !parameter(CLOUD).is_some_and(|known| known.choices.contains(cloud))
        {
            return undeclared(cloud);
        }
        if row.private_link && parameter(PRIVATE_LINK).is_none() {
            return undeclared(PRIVATE_LINK);
        }
        if self.sources.get(row.source).is_none() {
            return undeclared("source");
        }
        match blanks(text).find(|blank| parameter(blank).is_none()) {
            Some(blank) => undeclared(blank),
            None if blanks(text).next().is_none() && !row.is_literal() => {
                Err(PresetError::Row(text.to_owned()))
            }
            None => Ok(()),
        }
    }
}

impl Row {
    /// Where it leads.
    pub fn destination(&self) -> Destination<'_> {
        match (&self.fqdn, &self.cidr) {
            (Some(fqdn), _) => Destination::Fqdn(fqdn),
            (None, cidr) => Destination::Cidr(cidr.as_deref().unwrap_or_default()),
        }
    }

    /// The destination as the file has it.
    pub fn text(&self) -> &str {
        match self.destination() {
            Destination::Fqdn(text) | Destination::Cidr(text) => text,
        }
    }

    /// The ports; `None` when one is not of the form, or there is none.
    pub(super) fn specs(&self) -> Option<Vec<PortSpec>> {
        let specs: Option<Vec<_>> = self.ports.iter().map(|text| port(text)).collect();
        specs.filter(|specs| !specs.is_empty())
    }

    /// Whether the destination reads without anything filled in.
    fn is_literal(&self) -> bool {
        match self.destination() {
            Destination::Fqdn(text) => Pattern::parse(text, None).is_ok(),
            Destination::Cidr(text) => addresses(text).is_some(),
        }
    }
}

/// A protocol and a port or two, as in a policy.
fn port(text: &str) -> Option<PortSpec> {
    match text {
        "any" => return Some(PortSpec::Every),
        "icmp" => return Some(PortSpec::Icmp),
        _ => {}
    }
    let (protocol, ports) = text.split_once('/')?;
    if protocol == "ip" {
        return ports.parse().ok().map(PortSpec::Number);
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let range = PortRange::new(first.parse().ok()?, last.parse().ok()?)?;
    match protocol {
        "tcp" => Some(PortSpec::Tcp(range)),
        "udp" => Some(PortSpec::Udp(range)),
        _ => None,
    }
}
