//! Versions whose maps are laid out otherwise replace each other, up and down, and nobody notices.
//!
//! As in [`crate::chaos`] a load goes on all the while, and its names are answered once. Between
//! two versions nothing is handed over but what the one before says of its maps; so each round is a
//! kill and a start of the other version, which watches beside what judges and takes over.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Zone,
    load::{Counts, Lane, Load, Rate, Stage, policy},
};

/// How often.
#[derive(Debug, Clone, Args)]
pub struct Upgrades {
    /// Changes of the version, up and down in turn
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    #[command(flatten)]
    pub rate: Rate,
    /// Whether uplinks are judged as well, as `enforcer run --tc`
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    pub tc: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Changes of the version.
    pub changes: u32,
    /// Those after which an agent did not know the address of every name.
    pub forgotten: u32,
    /// Times from the start of an agent until it was ready, sorted.
    pub starts: Vec<Duration>,
    /// Packets that rules have counted after each change; never fewer than before.
    pub counters_fell: u32,
    /// Folders of starts at the end.
    pub folders: usize,
    /// The load without the enforcer.
    pub control: Counts,
    /// The load.
    pub load: Counts,
}

impl Upgrades {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, or that an agent did not start.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let lanes = Lane::ALL.into_iter();
        let lanes = lanes.filter(|lane| self.tc != "none" || *lane != Lane::Frames);
        let stage = Stage::make(&lanes.collect::<Vec<_>>(), Zone::new())?;
        let control = stage.control(self.rate)?;
        let policy = policy("upgrades", "", &[], &[]);
        let arguments = ["--tc", &self.tc];
        let mut agent = stage.rig.agent_with(&policy, &arguments)?;
        stage.learn()?;
        let load: Load<'_> = stage.load(self.rate)?;
        let (mut starts, mut forgotten, mut counters_fell) = (Vec::new(), 0, 0);
        let mut counted = counted(&agent.status()?);
        for number in 0..self.count {
            agent.kill()?;
            let started = Instant::now();
            let is_up = number % 2 == 0;
            agent = if is_up {
                stage.rig.agent_of_other_layout(&policy, &arguments)?
            } else {
                stage.rig.agent_with(&policy, &arguments)?
            };
            starts.push(started.elapsed());
            let (known, all) = stage.known(&agent)?;
            forgotten += u32::from(known < all);
            let now = self::counted(&agent.status()?);
            counters_fell += u32::from(now < counted);
            counted = now;
        }
        let load = load.finish()?;
        let entries = fs::read_dir(stage.rig.pins())?;
        let folders = entries
            .filter(|it| it.as_ref().is_ok_and(|it| it.file_type().is_ok_and(|it| it.is_dir())))
            .count();
        starts.sort_unstable();
        let changes = self.count;
        Ok(Outcome { changes, forgotten, starts, counters_fell, folders, control, load })
    }
}

/// The packets of all rules.
fn counted(status: &serde_json::Value) -> u64 {
    let rules = status.get("rules").and_then(serde_json::Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| rule.get("packets")?.as_u64()).sum()
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.control.faults_of_control();
        faults.extend(self.load.faults());
        if self.forgotten != 0 {
            faults.push(format!("after {} changes a name's address was not known", self.forgotten));
        }
        if self.counters_fell != 0 {
            faults.push(format!("after {} changes rules had counted less", self.counters_fell));
        }
        if self.folders != 1 {
            faults.push(format!("folders of starts: {}, not 1", self.folders));
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = self.starts.get(self.starts.len() / 2).copied().unwrap_or_default();
        let most = self.starts.last().copied().unwrap_or_default();
        writeln!(
            f,
            "upgrades: {} changes of the version; ready after {median:.1?} in the median, \
             {most:.1?} at most",
            self.changes
        )?;
        write!(f, "without the enforcer\n{}under the policy\n{}", self.control, self.load)
    }
}
