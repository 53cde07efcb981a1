//! Presets: published lists of destinations, by name and date, expanded into rules.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::PortSpec;
use crate::fqdn::Pattern;

/// What a policy says about one preset.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The preset, with its date (`aks@2026-06`) or without (`aks`: the newest).
    pub name: &'a str,
    /// Values of its parameters, by name.
    pub parameters: &'a BTreeMap<String, String>,
    /// Groups of rows wanted besides the required ones.
    pub include: &'a [String],
    /// Rows or groups that are not wanted.
    pub exclude: &'a [String],
}

/// A rule that a preset stands for; it allows, to every workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetRule {
    /// Unique in the expansion, such as `aks/mcr.microsoft.com`.
    pub name: String,
    /// Where to; never empty.
    pub to: Vec<PresetDestination>,
    /// The protocols and ports; never empty.
    pub ports: Vec<PortSpec>,
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

/// The dated name of the preset (`aks@2026-06`) and its rules, in order.
///
/// # Errors
///
/// Every problem of the request, never an empty list.
pub fn expand(request: &Request<'_>) -> Result<(String, Vec<PresetRule>), Vec<Problem>> {
    Err(vec![Problem {
        about: About::Name,
        message: format!("there is no preset `{}`", request.name),
        help: "this build has no presets".to_owned(),
    }])
}
