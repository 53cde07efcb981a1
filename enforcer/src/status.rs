//! What `status` and `names` say: functions from one look at the kernel's maps to plain values.
//!
//! Knows no map, no clock and no terminal: a [`Reading`] and the time of day go in, a [`Status`]
//! comes out, which is what JSON and YAML show as it is, and [`text`] lays out for people.
//!
//! The surprising thing: the agent is not asked. All that is shown was left in the kernel, by the
//! programs or by the agent while it lived, so an incident with the agent down is told truly.

pub mod names;
#[cfg(test)]
pub(crate) mod samples;
pub mod text;

use std::collections::BTreeMap;

use enforcer_common::dns::Learning;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use crate::datapath::{
    Reading,
    reading::{Counter, MapUse, is_filling},
};

/// Version of the JSON shapes.
pub const API_VERSION: &str = "enforcer.dev/v1alpha1";

/// `status -o json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub api_version: &'static str,
    pub kind: &'static str,
    /// `enforce` or `audit`; `off` where nothing is loaded.
    pub mode: String,
    pub state: State,
    /// What keeps the state from being better, one sentence each.
    pub problems: Vec<String>,
    pub agent: Agent,
    pub policy: Option<Policy>,
    pub hooks: Vec<Hook>,
    pub rules: Vec<Rule>,
    pub implicit: Vec<Implicit>,
    pub totals: Totals,
    pub drops: Vec<Drop>,
    pub dns: Dns,
    pub maps: Vec<Map>,
}

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// What the policy does not allow is dropped, and the agent is well.
    Enforcing,
    /// What the policy does not allow is counted, and the agent is well.
    Auditing,
    /// The kernel judges, and something is missing.
    Degraded,
    /// Nothing is judged.
    Off,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    pub running: bool,
    pub pid: Option<u32>,
    pub version: Option<String>,
    pub started_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub name: String,
    pub path: String,
    pub sha256: String,
    pub generation: u64,
    pub loaded_at: Timestamp,
    pub resolvers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    pub hook: String,
    pub target: String,
    pub attached: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub name: String,
    pub action: String,
    pub packets: u64,
    pub bytes: u64,
    pub last_hit: Option<Timestamp>,
    /// Live addresses of its names.
    pub addresses: usize,
    pub from: Vec<String>,
    /// The first destinations, as written.
    pub to: Vec<String>,
    pub to_count: usize,
    pub ports: Vec<String>,
    pub line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Implicit {
    pub name: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    pub allowed_packets: u64,
    pub allowed_bytes: u64,
    pub denied_packets: u64,
    pub denied_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drop {
    pub reason: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dns {
    pub answers: u64,
    pub learned: u64,
    pub ignored: BTreeMap<String, u64>,
    /// Questions to trusted resolvers that the kernel noted.
    pub asked: u64,
    /// Questions that the kernel handed to the agent.
    pub handed_over: u64,
    pub names: usize,
    pub resolved: usize,
    pub stale: usize,
    pub addresses: usize,
    pub unresolved: Vec<Unresolved>,
    pub unresolved_count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unresolved {
    pub name: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Map {
    pub map: String,
    pub entries: u64,
    pub max_entries: u64,
}

impl Status {
    /// What a look at the maps means; `None`: nothing is loaded. `wall` is the time of day at
    /// which the look was taken.
    pub fn new(reading: Option<&Reading>, wall: Timestamp) -> Self {
        match reading {
            Some(reading) => Self::loaded(reading, wall),
            None => Self::off(),
        }
    }

    fn off() -> Self {
        Self {
            api_version: API_VERSION,
            kind: "Status",
            mode: "off".to_owned(),
            state: State::Off,
            problems: vec!["nothing is loaded: no packet is judged".to_owned()],
            agent: Agent::default(),
            policy: None,
            hooks: Vec::new(),
            rules: Vec::new(),
            implicit: Vec::new(),
            totals: Totals::default(),
            drops: Vec::new(),
            dns: Dns::default(),
            maps: Vec::new(),
        }
    }

    fn loaded(reading: &Reading, wall: Timestamp) -> Self {
        let document = &reading.document;
        let problems = problems(reading);
        let is_judging = reading.hooks.iter().any(|hook| hook.is_attached);
        let state = match (is_judging, problems.is_empty(), reading.is_audit) {
            (false, ..) => State::Off,
            (true, false, _) => State::Degraded,
            (true, true, true) => State::Auditing,
            (true, true, false) => State::Enforcing,
        };
        let policy = &document.policy;
        Self {
            api_version: API_VERSION,
            kind: "Status",
            mode: if reading.is_audit { "audit" } else { "enforce" }.to_owned(),
            state,
            problems,
            agent: Agent {
                running: reading.agent_running,
                pid: Some(document.agent.pid),
                version: Some(document.agent.version.clone()),
                started_at: Some(document.agent.started_at),
            },
            policy: Some(Policy {
                name: policy.name.clone(),
                path: policy.path.clone(),
                sha256: policy.sha256.clone(),
                generation: reading.generation,
                loaded_at: policy.loaded_at,
                resolvers: policy.resolvers.clone(),
                reload_error: policy.reload_error.clone(),
            }),
            hooks: hooks(reading),
            rules: rules(reading, wall),
            implicit: implicit(reading),
            totals: totals(reading),
            drops: drops(reading),
            dns: dns(reading),
            maps: reading.maps.iter().map(map).collect(),
        }
    }
}

/// What is not as it should be, the worst first.
fn problems(reading: &Reading) -> Vec<String> {
    let mut problems = Vec::new();
    let missing = reading.hooks.iter().filter(|hook| !hook.is_attached);
    problems.extend(missing.map(|hook| {
        let remedy = match (hook.hook.starts_with("tc_"), reading.agent_running) {
            (true, true) => {
                "what leaves by it is not judged there; the agent attaches it as soon as it can"
            }
            (true, false) => "what leaves by it is not judged there; start the agent",
            (false, true) => "the agent puts it back within a second or so, or says why not",
            (false, false) => "start the agent",
        };
        format!("hook {} is not attached to {}: {remedy}", hook.hook, hook.target)
    }));
    let is_judging = reading.hooks.iter().any(|hook| hook.is_attached);
    if !reading.agent_running && !is_judging {
        problems.push("the agent is down, and no packet is judged: start it".to_owned());
    } else if !reading.agent_running {
        problems.push(format!(
            "the agent is down: the kernel goes on judging by the policy of generation {}; names \
             are not resolved again",
            reading.generation
        ));
    }
    if let Some(error) = &reading.document.policy.reload_error {
        problems.push(format!("the newest policy was refused, the one before goes on: {error}"));
    }
    problems.extend(reading.document.problems.iter().cloned());
    // What was found by the agent holds until there is room again.
    let was = reading.document.is_filling;
    let full = reading.maps.iter().filter(|map| is_filling(map.entries, map.max_entries, was));
    problems.extend(full.map(|map| {
        let MapUse { map, entries, max_entries } = map;
        format!("map {map} is nearly full: {entries} of {max_entries} entries")
    }));
    problems
}

fn hooks(reading: &Reading) -> Vec<Hook> {
    let hooks = reading.hooks.iter().map(|hook| Hook {
        hook: hook.hook.clone(),
        target: hook.target.clone(),
        attached: hook.is_attached,
    });
    hooks.collect()
}

fn rules(reading: &Reading, wall: Timestamp) -> Vec<Rule> {
    let mut live: BTreeMap<u16, usize> = BTreeMap::new();
    let addresses = reading.addresses.iter().filter(|entry| entry.expires_ns > reading.now_ns);
    for slot in addresses.flat_map(|entry| &entry.slots) {
        *live.entry(*slot).or_default() += 1;
    }
    let rules = reading.document.rules.iter().zip(&reading.rules).map(|(rule, counter)| Rule {
        name: rule.name.clone(),
        action: rule.action.clone(),
        packets: counter.packets,
        bytes: counter.bytes,
        last_hit: last_hit(counter, reading.now_ns, wall),
        addresses: live.get(&rule.slot).copied().unwrap_or(0),
        from: rule.from.clone(),
        to: rule.to.clone(),
        to_count: rule.to_count,
        ports: rule.ports.clone(),
        line: rule.line,
        preset: rule.preset.clone(),
    });
    rules.collect()
}

/// Boot time as time of day: suspend included, so the difference to this look is what counts.
fn last_hit(counter: &Counter, now_ns: u64, wall: Timestamp) -> Option<Timestamp> {
    if counter.last_hit_ns == 0 {
        return None;
    }
    let ago_ms = now_ns.saturating_sub(counter.last_hit_ns) / 1_000_000;
    let ago = i64::try_from(ago_ms).unwrap_or(i64::MAX).milliseconds();
    let exact = wall.checked_sub(ago).ok()?;
    exact.round(jiff::Unit::Millisecond).ok()
}

fn implicit(reading: &Reading) -> Vec<Implicit> {
    let implicit = reading.implicit.iter().map(|(implicit, counter)| Implicit {
        name: implicit.as_str(),
        packets: counter.packets,
        bytes: counter.bytes,
    });
    implicit.collect()
}

fn totals(reading: &Reading) -> Totals {
    let totals = &reading.totals;
    Totals {
        allowed_packets: totals.allowed_v4.packets + totals.allowed_v6.packets,
        allowed_bytes: totals.allowed_v4.bytes + totals.allowed_v6.bytes,
        denied_packets: totals.denied_v4.packets + totals.denied_v6.packets,
        denied_bytes: totals.denied_v4.bytes + totals.denied_v6.bytes,
    }
}

fn drops(reading: &Reading) -> Vec<Drop> {
    let drops = reading.drops.iter().map(|(reason, counter)| Drop {
        reason: reason.as_str(),
        packets: counter.packets,
        bytes: counter.bytes,
    });
    drops.collect()
}

fn dns(reading: &Reading) -> Dns {
    let resolution = &reading.document.resolution;
    let live = reading.addresses.iter().filter(|entry| entry.expires_ns > reading.now_ns);
    let learning = || reading.learning.iter().map(|(learning, count)| (*learning, *count));
    let answers = learning().filter(|(learning, _)| learning.is_of_answer());
    let answers: u64 = answers.map(|(_, count)| count).sum();
    let learned = reading.learning.get(&Learning::Address).copied().unwrap_or(0);
    let mut ignored = resolution.ignored.clone();
    for (learning, count) in learning().filter(|(one, count)| one.is_ignored() && *count > 0) {
        *ignored.entry(learning.as_str().to_owned()).or_default() += count;
    }
    let unresolved = resolution.unresolved.iter().map(|unresolved| Unresolved {
        name: unresolved.name.clone(),
        reason: unresolved.reason.clone(),
    });
    Dns {
        answers: resolution.answers + answers,
        learned: resolution.learned + learned,
        ignored,
        asked: reading.learning.get(&Learning::Asked).copied().unwrap_or(0),
        handed_over: reading.learning.get(&Learning::HandedOver).copied().unwrap_or(0),
        names: resolution.names,
        resolved: resolution.resolved,
        stale: resolution.stale,
        addresses: live.count(),
        unresolved: unresolved.collect(),
        unresolved_count: resolution.unresolved_count,
    }
}

fn map(map: &MapUse) -> Map {
    Map { map: map.map.clone(), entries: map.entries, max_entries: map.max_entries }
}

#[cfg(test)]
mod tests;
