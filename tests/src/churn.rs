//! Addresses that come and go: nothing of them stays.
//!
//! A client asks for fresh names, each with 64 addresses that live a second, at a steady rate; the
//! kernel learns them, the agent removes what has expired. After a part of them, and again at the
//! end, all is let expire and the memory is read: of the agent, and of the kernel's maps. What the
//! agent holds in the kernel must be the same objects from first to last, and nothing of it may be
//! left once enforcement has been unloaded.
//!
//! The surprising thing: an address must be fresh only while it is known. The 16 million of the
//! range are used again in the order in which they expired, so a run can be as long as it likes.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use crate::{
    held::Held,
    hog::problems,
    race::{RESOLVERS, Racing, Stage, Task},
    responder::{BRIEF, Form},
    wait,
};

const ZONE: &str = "churn.test";
/// Until all has expired and is removed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Until the kernel has freed what nobody holds.
const FREED: Duration = Duration::from_secs(10);
/// Of a hundred, how many are learned before the first look.
const WARM_UP_PERCENT: u32 = 20;
/// Fewer are too few to warm anything up.
const SHORT: u32 = 1_000_000;
/// Memory may grow by so many thousandths.
const MOST_GROWTH_PER_MILLE: u64 = 10;

/// How much comes and goes.
#[derive(Debug, Clone, Args)]
pub struct Churn {
    /// Addresses that are learned and expire
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000_000))]
    pub entries: u32,
    /// Addresses learned in a second
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub per_second: u32,
    /// Room for addresses; the agent's own default unless stated
    #[arg(long)]
    pub max_addresses: Option<u32>,
}

/// The memory at one moment, with nothing learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The agent's resident bytes.
    pub agent: u64,
    /// The bytes of its maps.
    pub maps: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Addresses that the kernel learned.
    pub learned: u64,
    /// Addresses that were to be learned.
    pub asked: u64,
    /// Answers of which something was not learned for want of room.
    pub refused: u64,
    /// Addresses still there at the end.
    pub left: u64,
    /// Before anything was learned, after the warm-up, at the end.
    pub memory: [Memory; 3],
    /// What the agent holds in the kernel, at the same moments.
    pub held: [Held; 3],
    /// Of this, what is loaded after the end of enforcement.
    pub leaked: Vec<String>,
    /// Until the last question was answered, without waits for the expiry.
    pub took: Duration,
}

impl Churn {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about memory.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let stage = Stage::make()?;
        let size = self.max_addresses.map(|size| size.to_string());
        let mut arguments = Vec::new();
        if let Some(size) = &size {
            arguments.extend(["--max-addresses", size]);
        }
        let mut agent = stage.agent_with(&policy(), &arguments)?;
        let look = |agent: &Racing<'_>| -> anyhow::Result<(Memory, Held)> {
            wait::until_true("all to expire and be removed", PATIENCE, || {
                let status = agent.status().unwrap_or_default();
                number(&status, "/maps/0/entries") == Some(0) && problems(&status).is_empty()
            })?;
            let held = Held::by(agent.pid(), &stage.rig.pins())?;
            let agent = agent.memory().context("read the agent's memory")?;
            Ok((Memory { agent, maps: held.bytes() }, held))
        };
        let (before, held_before) = look(&agent)?;
        let names = self.entries.div_ceil(BRIEF);
        let is_short = self.entries < SHORT;
        let warm_up = if is_short { 0 } else { names * WARM_UP_PERCENT / 100 };
        // In two parts: what the allocator keeps settles only when the second burst is over.
        let mut took = self.flood(&stage, 0..warm_up / 2)?;
        look(&agent)?;
        took += self.flood(&stage, warm_up / 2..warm_up)?;
        let (warm, held_warm) = look(&agent)?;
        took += self.flood(&stage, warm_up..names)?;
        let (after, held_after) = look(&agent)?;
        let status = agent.status()?;
        let count = |path| number(&status, path).unwrap_or(0);
        agent.unload()?;
        let mut leaked = Vec::new();
        // The kernel frees them a moment later; what is left then is told.
        drop(wait::until_true("all to be freed", FREED, || {
            leaked = held_after.still_loaded().unwrap_or_else(|error| vec![format!("{error:#}")]);
            leaked.is_empty()
        }));
        Ok(Outcome {
            learned: count("/dns/learned"),
            asked: u64::from(names) * u64::from(BRIEF),
            refused: count("/dns/ignored/quota") + count("/dns/ignored/map-full"),
            left: count("/maps/0/entries"),
            memory: [before, warm, after],
            leaked,
            held: [held_before, held_warm, held_after],
            took,
        })
    }

    fn flood(&self, stage: &Stage, names: std::ops::Range<u32>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let (zone, per_second) = (ZONE.to_owned(), (self.per_second / BRIEF).max(1));
        let report = stage.run(&Task::Flood { names, form: Form::Brief, zone, per_second })?;
        anyhow::ensure!(report.unanswered == 0, "{} questions without answer", report.unanswered);
        Ok(begun.elapsed())
    }
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.leaked.clone();
        for fault in &mut faults {
            fault.push_str(" is still loaded after the end");
        }
        for (what, number, expected) in [
            ("addresses learned", self.learned, self.asked),
            ("answers refused for want of room", self.refused, 0),
            ("addresses left", self.left, 0),
        ] {
            if number != expected {
                faults.push(format!("{what}: {number}, not {expected}"));
            }
        }
        let [before, warm, after] = &self.memory;
        for (what, from, to) in [
            ("the agent's memory", warm.agent, after.agent),
            ("the maps' memory", before.maps, after.maps),
        ] {
            if to > from + from * MOST_GROWTH_PER_MILLE / 1_000 {
                faults.push(format!("{what} has grown from {from} to {to} bytes"));
            }
        }
        if self.held.iter().any(|held| !held.is_same(&self.held[0])) {
            faults.push(format!("what the agent holds in the kernel has changed: {:?}", self.held));
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64().max(0.001);
        let learned = f64::from(u32::try_from(self.learned).unwrap_or(u32::MAX));
        writeln!(
            f,
            "churn: {} of {} addresses learned and expired in {:.1?} ({:.0} a second), refused \
             answers: {}, left: {}",
            self.learned,
            self.asked,
            self.took,
            learned / seconds,
            self.refused,
            self.left
        )?;
        for (when, memory) in ["before", "after the warm-up", "at the end"].iter().zip(&self.memory)
        {
            writeln!(
                f,
                "    {when}: agent {} KiB, maps {} KiB",
                memory.agent / 1_024,
                memory.maps / 1_024
            )?;
        }
        let [.., held] = &self.held;
        writeln!(
            f,
            "    held in the kernel: {} maps, {} programs, {} links; loaded after the end: {}",
            held.maps.len(),
            held.programs.len(),
            held.links.len(),
            self.leaked.len()
        )
    }
}

fn policy() -> String {
    let [first, second] = RESOLVERS;
    format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: churn}}\nspec:\n  \
         virtualRanges: []\n  dns: {{resolvers: [{first}, '{second}'], minTtl: 1s, maxTtl: 1s, \
         grace: 0s}}\n  allowPrivateAnswers: true\n  rules:\n    \
         - {{name: churn, to: [{{fqdn: '*.{ZONE}'}}], ports: [tcp/443]}}\n"
    )
}

fn number(status: &Value, path: &str) -> Option<u64> {
    status.pointer(path).and_then(Value::as_u64)
}
