//! Presets: published lists of destinations, by name and date, expanded into rules.
//!
//! Owns the files under `presets/`, which are part of the binary, and what a policy may say about
//! one: which groups of rows it wants, and what stands for the blanks in names. It must not know
//! how a policy file is read: a [`Request`] comes in, rules or [`Problem`]s go out.
//!
//! A preset is a dated copy of somebody's page, and pages drift: an undated name stands for the
//! newest date, a dated one stays what it was. The surprising thing: whether a parameter is needed
//! is nowhere written down. It is needed when a row that the request selects has a blank for it.

mod difference;
mod document;
mod expansion;
mod offer;
mod parameter;
mod selection;

use std::{collections::BTreeMap, sync::LazyLock};

use ipnet::IpNet;

pub use self::{
    difference::{Changed, Difference, Terms, Words, difference},
    document::{Condition, Destination, Effect, Preset, Row, Source},
    offer::{Offer, offers},
    parameter::{Kind, Parameter},
};
use super::{Action, PortSpec};
use crate::fqdn::Pattern;

/// The embedded files, the newest of a name first.
const FILES: [&str; 9] = [
    include_str!("../../../presets/aks@2026-06.yaml"),
    include_str!("../../../presets/aks@2019-06.yaml"),
    include_str!("../../../presets/cloud-metadata@2026-11.yaml"),
    include_str!("../../../presets/docker-hub@2026-06.yaml"),
    include_str!("../../../presets/eks@2024-12.yaml"),
    include_str!("../../../presets/github-actions-runner@2026.yaml"),
    include_str!("../../../presets/gke@2026.yaml"),
    include_str!("../../../presets/kubernetes@2026-11.yaml"),
    include_str!("../../../presets/ubuntu-node@2026.yaml"),
];

/// A file that does not read would be left out here, and fails the tests of this module.
static PRESETS: LazyLock<Vec<Preset>> =
    LazyLock::new(|| FILES.iter().filter_map(|text| Preset::read(text).ok()).collect());

/// How alike two words are at least for one to be meant for the other (Jaro-Winkler).
const LIKENESS: f64 = 0.8;

/// What a policy says about one preset.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The preset, with its date (`aks@2026-06`) or without (`aks`: the newest).
    pub name: &'a str,
    /// Values of its parameters, by name.
    pub parameters: &'a BTreeMap<String, String>,
    /// Conditions whose rows are wanted besides the required ones.
    pub include: &'a [String],
    /// Conditions, rows (by destination) or all `deprecated` rows that are not wanted.
    pub exclude: &'a [String],
}

/// A rule that a preset stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetRule {
    /// Unique in the expansion, such as `aks/mcr.microsoft.com`.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Where to; never empty.
    pub to: Vec<PresetDestination>,
    /// The protocols and ports; never empty.
    pub ports: Vec<PortSpec>,
    /// Whether the destination answers with private addresses on purpose.
    pub allow_private_answers: bool,
}

/// A destination of a preset's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresetDestination {
    /// The addresses of names.
    Fqdn(Pattern),
    /// An address range.
    Cidr(IpNet),
}

/// Why a request has no expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part of the request is wrong.
    pub about: About,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// A part of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The preset's name; also where a parameter is missing.
    Name,
    /// The parameter of this name.
    Parameter(String),
    /// This entry of `include`.
    Include(String),
    /// This entry of `exclude`.
    Exclude(String),
}

/// Every embedded preset, by name, the newest of a name first.
pub fn list() -> &'static [Preset] {
    &PRESETS
}

/// The preset of a name, with its date or without.
///
/// # Errors
///
/// There is none; the help says which was probably meant.
pub fn find(name: &str) -> Result<&'static Preset, Problem> {
    let wanted = |preset: &&Preset| preset.name == name || preset.dated() == name;
    list().iter().find(wanted).ok_or_else(|| Problem {
        about: About::Name,
        message: format!("there is no preset `{name}`"),
        help: help_with_name(name),
    })
}

/// The dated name of the preset (`aks@2026-06`) and its rules, in order.
///
/// # Errors
///
/// Every problem of the request, never an empty list.
pub fn expand(request: &Request<'_>) -> Result<(String, Vec<PresetRule>), Vec<Problem>> {
    let preset = find(request.name).map_err(|problem| vec![problem])?;
    let rules = expansion::rules(preset, request)?;
    Ok((preset.dated(), rules))
}

/// The parameters of a request, with the examples of those that it needs and does not have.
///
/// For showing what a preset is like; a policy has to state them.
///
/// # Errors
///
/// There is no such preset.
pub fn with_examples(request: &Request<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let preset = find(request.name)?;
    let mut parameters = request.parameters.clone();
    for parameter in expansion::needed(preset, request) {
        let example = parameter.example.clone().unwrap_or_default();
        // A value that is no good stays, for `expand` to refuse.
        parameters.entry(parameter.name.clone()).or_insert(example);
    }
    Ok(parameters)
}

fn help_with_name(name: &str) -> String {
    let base = name.split('@').next().unwrap_or_default();
    let dates: Vec<String> =
        list().iter().filter(|preset| preset.name == base).map(Preset::dated).collect();
    if !dates.is_empty() {
        return format!("`{base}` is there as {}", quoted(dates));
    }
    let mut names: Vec<&str> = list().iter().map(|preset| preset.name.as_str()).collect();
    names.dedup();
    match nearest(base, names.iter().copied()) {
        Some(word) => format!("did you mean `{word}`? there are {}", quoted(names)),
        None => format!("there are {}", quoted(names)),
    }
}

/// Words in code quotes, separated by commas.
fn quoted<W: std::fmt::Display>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The word that was probably meant.
fn nearest<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let text = text.to_ascii_lowercase();
    let scored = words.into_iter().map(|word| (strsim::jaro_winkler(&text, word), word));
    let (likeness, word) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness >= LIKENESS).then_some(word)
}

#[cfg(test)]
mod tests;
