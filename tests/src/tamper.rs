//! Somebody with all privileges takes enforcement apart, and the agent puts it back each time.
//!
//! One thing after another is taken away ([`Act`]), under a load ([`crate::load`]): a hook's link,
//! a pin, a filter. Measured is how long it stays away. Forbidden packets that leave meanwhile
//! are counted and are no fault, for who may do this may do anything.
//!
//! The surprising thing: few leave, if any. Sockets are judged by the cgroup's hooks and again at
//! the uplink, so that one that is gone opens nothing to them; only frames have but one judge.

mod act;
mod link;
mod print;

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use enforcer::datapath::TcMode;
use serde_json::Value;

pub use self::act::Act;
use self::act::{Bench, Taken};
use crate::{
    Agent, Zone,
    load::{Counts, Lane, Load, Rate, Stage, policy},
    random::{Random, seed_by_time},
    wait,
};

/// How long anything may stay away before there is no point in going on.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often.
#[derive(Debug, Clone, Args)]
pub struct Tamper {
    /// Things that are taken away, one after the other, in each way to attach
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    #[command(flatten)]
    pub rate: Rate,
    /// What is taken at random is taken by: the same number takes the same [default: the time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// How the agent attaches, as `enforcer run --tc-mode` [default: one way after the other]
    #[arg(long, value_parser = ["tcx", "clsact"])]
    pub tc_mode: Option<String>,
    /// Milliseconds after which a thing must be back
    #[arg(long, default_value_t = 2_000)]
    pub within: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What was taken by.
    pub seed: u64,
    /// When a thing must be back.
    pub within: Duration,
    /// One for each way to attach.
    pub rounds: Vec<Round>,
}

/// What came of one way to attach.
#[derive(Debug)]
pub struct Round {
    /// The way.
    pub mode: String,
    /// What was taken away.
    pub trials: Vec<Trial>,
    /// How much `enforcer_restored_total` has risen.
    pub reported: u64,
    /// Addresses of names that are known at the end, and how many there are.
    pub known: (usize, usize),
    /// The load without the enforcer.
    pub control: Counts,
    /// The load.
    pub load: Counts,
}

/// One thing that was taken away.
#[derive(Debug)]
pub struct Trial {
    /// What was done.
    pub act: Act,
    /// What the agent calls the thing.
    pub told_as: String,
    /// When, since the load began.
    pub at: Duration,
    /// For how long it was away.
    pub away: Duration,
    /// What else the agent logged as an error meanwhile.
    pub errors: Vec<String>,
}

impl Tamper {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, or that something is not put back at all.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let seed = self.seed.unwrap_or_else(seed_by_time);
        let has_links = TcMode::of_kernel() == TcMode::Tcx;
        let modes = match &self.tc_mode {
            Some(mode) => vec![mode.as_str()],
            None if has_links => vec!["tcx", "clsact"],
            None => vec!["clsact"],
        };
        let rounds = modes.iter().map(|mode| self.round(mode, seed));
        let within = Duration::from_millis(self.within);
        Ok(Outcome { seed, within, rounds: rounds.collect::<Result<_, _>>()? })
    }

    fn round(&self, mode: &str, seed: u64) -> anyhow::Result<Round> {
        let stage = Stage::make(&Lane::ALL, Zone::new())?;
        let control = stage.control(self.rate)?;
        let arguments = ["--tc", "auto", "--tc-mode", mode];
        let agent = stage.rig.agent_with(&policy("tamper", "", &[], &[]), &arguments)?;
        stage.learn()?;
        let load = stage.load(self.rate)?;
        let bench = Bench { rig: &stage.rig };
        let acts: Vec<_> = Act::ALL.into_iter().filter(|act| act.is_of(mode)).collect();
        let mut random = Random::new(seed);
        let before = restored(&agent)?;
        let mut trials = Vec::new();
        for (act, number) in acts.iter().cycle().zip(0..self.count) {
            let trial = Trial::run(&bench, &agent, (*act, &mut random), &load)
                .with_context(|| format!("take away {number}, {act}, {mode}, seed {seed}"))?;
            trials.push(trial);
        }
        let reported = restored(&agent)? - before;
        let known = stage.known(&agent)?;
        Ok(Round { mode: mode.to_owned(), trials, reported, known, control, load: load.finish()? })
    }
}

impl Trial {
    /// Does it, and waits until it is undone.
    fn run(
        bench: &Bench<'_>,
        agent: &Agent<'_>,
        (act, random): (Act, &mut Random),
        load: &Load<'_>,
    ) -> anyhow::Result<Self> {
        let (mark, before) = (agent.log_length(), restored(agent)?);
        let at = load.elapsed();
        let Taken { told_as, pin } = bench.take(act, random)?;
        let is_said = |line: &String| line.contains("it is put back") && line.contains(&told_as);
        let logged = || format!("the agent logged:\n{}", agent.log_after(mark).join("\n"));
        wait::until_true(&format!("{told_as} to be put back"), PATIENCE, || {
            agent.log_after(mark).iter().any(is_said)
        })
        .with_context(logged)?;
        wait::until_true(&format!("{told_as} to be there"), PATIENCE, || {
            pin.as_ref().is_none_or(|pin| pin.symlink_metadata().is_ok())
                && (!act.is_filter() || bench.has_filters())
                && is_whole(agent)
        })
        .with_context(logged)?;
        let away = load.elapsed().saturating_sub(at);
        wait::until_true("the metric to rise", PATIENCE, || {
            restored(agent).is_ok_and(|after| after > before)
        })?;
        let mut errors = agent.log_after(mark);
        errors.retain(|line| line.contains(" ERROR ") && !is_said(line));
        Ok(Self { act, told_as, at, away, errors })
    }
}

fn is_whole(agent: &Agent<'_>) -> bool {
    let status = agent.status().unwrap_or_default();
    let hooks = status.pointer("/hooks").and_then(Value::as_array);
    let is_attached = |hook: &Value| hook.get("attached").and_then(Value::as_bool) == Some(true);
    status.pointer("/state").is_some_and(|state| state == "enforcing")
        && hooks.is_some_and(|hooks| hooks.iter().all(is_attached))
}

fn restored(agent: &Agent<'_>) -> anyhow::Result<u64> {
    let metrics = agent.metrics()?;
    let value = metrics.lines().find_map(|line| line.strip_prefix("enforcer_restored_total "));
    value.context("find enforcer_restored_total")?.parse().context("read enforcer_restored_total")
}
