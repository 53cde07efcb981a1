//! The steps of a load, and their samples.

use std::{collections::BTreeMap, fmt, time::Instant};

use serde::Serialize;

use crate::bench::quartiles::Quartiles;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The file into memory.
    Read,
    /// YAML into a policy that is valid, doubts included.
    Parse,
    /// Of that, the doubts.
    Doubts,
    /// The policy into tables.
    Compile,
    /// The tables into empty maps.
    Apply,
    /// `nft -f` of the same set.
    Nft,
    /// Into tables, with another port in another rule.
    CompilePortChanged,
    /// These into the maps.
    ApplyPortChanged,
    /// Into tables, with one entry replaced.
    CompileEntryChanged,
    /// These into the maps.
    ApplyEntryChanged,
    /// An agent, from its start until it is ready.
    AgentStart,
    /// An agent, from a new file with another port until it is in force.
    AgentPortChanged,
    /// The same, with one entry replaced.
    AgentEntryChanged,
}

/// A step and what it took.
#[derive(Debug, Clone, Serialize)]
pub struct Timed {
    /// Which.
    pub step: Step,
    /// Milliseconds.
    pub cost: Option<Quartiles>,
}

/// The samples of each step, in milliseconds.
#[derive(Default)]
pub(super) struct Samples(BTreeMap<Step, Vec<f64>>);

impl Samples {
    pub(super) fn time<T>(&mut self, step: Step, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = act();
        self.0.entry(step).or_default().push(start.elapsed().as_secs_f64() * 1e3);
        done
    }

    pub(super) fn forget(&mut self, step: Step) {
        self.0.remove(&step);
    }

    pub(super) fn median(&self, step: Step) -> Option<f64> {
        Some(Quartiles::of(self.0.get(&step)?.clone())?.median)
    }

    pub(super) fn into_steps(self) -> Vec<Timed> {
        let all = self.0.into_iter();
        all.map(|(step, samples)| Timed { step, cost: Quartiles::of(samples) }).collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read the file",
            Self::Parse => "parse and validate",
            Self::Doubts => "  of that, look for doubts",
            Self::Compile => "compile",
            Self::Apply => "apply to empty maps",
            Self::Nft => "nft -f of the same set",
            Self::CompilePortChanged => "compile, another rule's port changed",
            Self::ApplyPortChanged => "apply, another rule's port changed",
            Self::CompileEntryChanged => "compile, one entry replaced",
            Self::ApplyEntryChanged => "apply, one entry replaced",
            Self::AgentStart => "an agent, from start to ready",
            Self::AgentPortChanged => "an agent, from a file with another port into force",
            Self::AgentEntryChanged => "an agent, from a file with another entry into force",
        })
    }
}
