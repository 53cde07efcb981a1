//! A rule whose names nobody can count, beside one that needs little room.
//!
//! A client asks for more fresh names of one wildcard than the map of addresses holds, then for
//! some of another rule. The first may take half of the map and no more, keeps what it has, and
//! the second finds room. The surprising thing: all of it is decided in the kernel, so it goes
//! alike with the agent stopped.

use std::{ops::Range, time::Duration};

use anyhow::Context as _;
use enforcer::datapath::{LoadOptions, memory::MapMemory};
use serde_json::Value;

use crate::{
    held::Held,
    probe::Family,
    race::{RESOLVERS, Report, Stage, Task, ZONE},
    responder::{BRIEF, Form},
    wait,
};

/// The hog's names are below it.
const HOGGED: &str = "hog.test";
/// Questions in a second.
const PER_SECOND: u32 = 1_000;
/// Until what has expired is removed.
const PATIENCE: Duration = Duration::from_secs(120);
/// The port of the policy and of the peer.
const PORT: u16 = 443;

/// A run.
#[derive(Debug, Clone)]
pub struct Hog {
    /// Room for addresses.
    pub room: u32,
    /// Names of the hog, each with 64 addresses.
    pub names: u32,
    /// Names of the other rule, each with one.
    pub others: u32,
    /// How long learned addresses live.
    pub life: &'static str,
    /// Whether the agent is stopped meanwhile.
    pub is_stopped: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Addresses of the hog.
    pub hog: u64,
    /// Addresses of the other rule.
    pub other: u64,
    /// Connects to names of the other rule, each right behind its answer.
    pub connects: Report,
    /// Whether an address of a name of the hog's that was learned can be reached, and one of a
    /// name that was not; where there is none, of the first again.
    pub is_open: [bool; 2],
    /// `status`, once the agent has been told.
    pub status: Value,
    /// `/metrics`; empty with the agent stopped.
    pub metrics: String,
    /// The agent's log.
    pub log: Vec<String>,
    /// What the agent holds in the kernel, before the first name and behind the last.
    pub held: [Held; 2],
    /// What the maps were to take.
    pub planned: MapMemory,
    /// Where addresses live shortly: those the hog has once all were removed and it asked again.
    pub afterwards: Option<u64>,
}

impl Outcome {
    /// Answers that taught nothing, for a reason.
    pub fn ignored(&self, reason: &str) -> u64 {
        number(&self.status, &format!("/dns/ignored/{reason}")).unwrap_or(0)
    }

    /// How many lines of the log name the hog.
    pub fn said(&self) -> usize {
        self.log.iter().filter(|line| line.contains("rule=hog")).count()
    }
}

impl Hog {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about who gets what.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let stage = Stage::make()?;
        let agent =
            stage.agent_with(&self.policy(), &["--max-addresses", &self.room.to_string()])?;
        let before = Held::by(agent.pid(), &stage.rig.pins())?;
        let load = LoadOptions { max_addresses: self.room, ..stage.rig.load_options() };
        if self.is_stopped {
            agent.stop()?;
        }
        flood(&stage, 0..self.names)?;
        let connects = stage.run(&Task::Connect { names: 0..self.others, is_enforced: false })?;
        // Who of two threads was first is chance, so what was learned is looked up.
        let known = agent.names()?.to_string();
        let is_known =
            |name: &u32| known.contains(&format!("\"{}\"", Form::Brief.address(*name, Family::V4)));
        let learned = (0..self.names).find(is_known).unwrap_or(0);
        let refused = (0..self.names).find(|name| !is_known(name));
        let mut is_open = [false; 2];
        for (is_open, name) in is_open.iter_mut().zip([learned, refused.unwrap_or(learned)]) {
            let addresses = vec![Form::Brief.address(name, Family::V4)];
            *is_open = stage.run(&Task::Reach { addresses })?.connected == 1;
        }
        let held = [before, Held::by(agent.pid(), &stage.rig.pins())?];
        let mut status = agent.status()?;
        if !self.is_stopped && number(&status, "/dns/ignored/quota").unwrap_or(0) > 0 {
            wait::until_true("the agent to say that a rule is short", PATIENCE, || {
                status = agent.status().unwrap_or_default();
                problems(&status).contains("beside the others")
            })?;
        }
        let of = |status: &Value, index| number(status, &format!("/rules/{index}/addresses"));
        let hog = of(&status, 0).context("find the hog in status")?;
        let other = of(&status, 1).context("find the other rule in status")?;
        let metrics = if self.is_stopped { String::new() } else { agent.metrics()? };
        let (log, planned) = (agent.log(), load.memory().context("plan the memory")?);
        let mut afterwards = None;
        if self.life == "1s" {
            wait::until_true("expired addresses to be removed", PATIENCE, || {
                let status = agent.status().unwrap_or_default();
                number(&status, "/maps/0/entries") == Some(0) && problems(&status).is_empty()
            })?;
            flood(&stage, self.names..self.names + 1)?;
            afterwards = number(&agent.status()?, "/maps/0/entries");
        }
        Ok(Outcome {
            hog,
            other,
            connects,
            is_open,
            status,
            metrics,
            log,
            held,
            planned,
            afterwards,
        })
    }

    /// The names of the hog in one answer each.
    pub const EACH: u32 = BRIEF;

    fn policy(&self) -> String {
        let [first, second] = RESOLVERS;
        let life = self.life;
        format!(
            "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: hog}}\nspec:\n  \
             virtualRanges: []\n  dns: {{resolvers: [{first}, '{second}'], minTtl: {life}, \
             maxTtl: {life}, grace: 0s}}\n  allowPrivateAnswers: true\n  rules:\n    \
             - {{name: hog, to: [{{fqdn: '*.{HOGGED}'}}], ports: [tcp/{PORT}]}}\n    \
             - {{name: other, to: [{{fqdn: '*.{ZONE}'}}], ports: [tcp/{PORT}]}}\n"
        )
    }
}

fn flood(stage: &Stage, names: Range<u32>) -> anyhow::Result<Report> {
    let zone = HOGGED.to_owned();
    let report =
        stage.run(&Task::Flood { names, form: Form::Brief, zone, per_second: PER_SECOND })?;
    anyhow::ensure!(report.unanswered == 0, "{} questions without answer", report.unanswered);
    Ok(report)
}

fn number(status: &Value, path: &str) -> Option<u64> {
    status.pointer(path).and_then(Value::as_u64)
}

/// All problems that `status` tells.
pub(crate) fn problems(status: &Value) -> String {
    let problems = status.pointer("/problems").and_then(Value::as_array);
    let texts = problems.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("\n")
}
