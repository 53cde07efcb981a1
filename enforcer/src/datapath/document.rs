//! What the agent writes beside the tables for whoever reads the pins: names, lines, problems.
//!
//! Stored as JSON in the pinned map `DOCUMENT`, so that `status` tells rule names with the agent
//! dead. Only this crate reads and writes it; the folder of the pins carries the ABI version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// All that the kernel's maps do not say by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The agent that wrote it.
    pub agent: AgentInfo,
    /// The policy in force.
    pub policy: PolicyInfo,
    /// The rules in force, in the order of the policy.
    pub rules: Vec<RuleInfo>,
    /// How the resolution of exact names stands.
    pub resolution: ResolutionInfo,
    /// What keeps the agent from being whole, one sentence each; empty: nothing.
    pub problems: Vec<String>,
}

/// Who wrote a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    /// Process id in the agent's own pid namespace.
    pub pid: u32,
    /// Inode of that pid namespace, so that a reader knows whether `pid` means the same to it.
    pub pid_namespace: u64,
    /// Version of the agent.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// Which policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInfo {
    /// `metadata.name`.
    pub name: String,
    /// The file it was read from.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Counts the policies applied since the maps were made, from 1.
    pub generation: u64,
    /// When it took effect.
    pub loaded_at: Timestamp,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Trusted resolvers as `address:port`.
    pub resolvers: Vec<String>,
    /// Why the newest attempt to load a policy failed; `None`: it did not.
    pub reload_error: Option<String>,
}

/// One rule, as much of it as a reader is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleInfo {
    /// Its bit in every `RuleMask`.
    pub slot: u16,
    /// Its name.
    pub name: String,
    /// `allow` or `deny`.
    pub action: String,
    /// The workloads it is for; empty: every one.
    pub from: Vec<String>,
    /// The first destinations, as written; at most [`RuleInfo::SHOWN`].
    pub to: Vec<String>,
    /// How many destinations there are.
    pub to_count: usize,
    /// The ports, as written in a policy (`tcp/443`).
    pub ports: Vec<String>,
    /// Line in the policy file.
    pub line: u32,
    /// The preset it comes from.
    pub preset: Option<String>,
    /// Patterns of the rule that match nothing until the kernel learns names.
    pub waiting: Vec<String>,
}

impl RuleInfo {
    /// How many destinations, ports and patterns of a rule are kept in the document.
    pub const SHOWN: usize = 4;
}

/// How the resolution of exact names stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolutionInfo {
    /// Exact names in the policy.
    pub names: usize,
    /// Names with at least one live address.
    pub resolved: usize,
    /// Names whose newest lookup failed while older addresses live on.
    pub stale: usize,
    /// Names without an address, the first [`ResolutionInfo::SHOWN`].
    pub unresolved: Vec<Unresolved>,
    /// How many there are.
    pub unresolved_count: usize,
    /// DNS answers taken since the agent started.
    pub answers: u64,
    /// Addresses written since the agent started.
    pub learned: u64,
    /// Addresses or answers not taken, by reason, since the agent started.
    pub ignored: std::collections::BTreeMap<String, u64>,
}

impl ResolutionInfo {
    /// How many unresolved names are kept in the document.
    pub const SHOWN: usize = 32;
}

/// A name without an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// Why: `no such name`, `no addresses`, `timed out`...
    pub reason: String,
}
