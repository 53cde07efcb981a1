//! The agent is killed over and over, at any moment of its life, and nobody notices.
//!
//! A load goes on all the while ([`crate::load`]): what the policy allows must arrive and what it
//! does not must not, whether an agent lives, dies or is about to start. The names of the load are
//! answered once, before the first kill, so that an address of theirs is known only if a start
//! takes over what an earlier one has learned.
//!
//! The surprising thing: most of the moments that matter are in a start. It makes everything anew
//! beside what judges, and takes that away when it is done; about a third of the kills is there.

use std::{
    collections::VecDeque,
    fmt, fs, thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Agent, Zone,
    load::{Counts, Lane, Load, Rate, Stage, policy},
    random::{Random, seed_by_time},
};

/// The longest time that a ready agent lives.
const MOST_ALIVE: usize = 200;
/// Of so many kills, one is in a start.
const IN_START: usize = 3;
/// Of so many ready agents, one is asked what it knows.
const ASKED: usize = 5;

/// Agents whose logs are kept for who looks for a reason.
const KEPT: usize = 4;

/// How often.
#[derive(Debug, Clone, Args)]
pub struct Chaos {
    /// Kills
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub kills: u32,
    #[command(flatten)]
    pub rate: Rate,
    /// What the moments are made from: the same number makes the same ones [default: the time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Whether uplinks are judged as well, as `enforcer run --tc`
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    pub tc: String,
    /// Leave out what only a name's answer allows
    #[arg(long)]
    pub without_names: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the moments were made from.
    pub seed: u64,
    /// Kills.
    pub kills: u32,
    /// Those before the agent was ready.
    pub in_start: u32,
    /// Times from the start of an agent until it was ready, sorted.
    pub starts: Vec<Duration>,
    /// How often an agent was asked for the names' addresses, and did not know them all.
    pub asked: u32,
    /// See [`Outcome::asked`].
    pub forgotten: u32,
    /// What the agents logged as errors; the first of each kind.
    pub errors: Vec<String>,
    /// What happened before the first refusal of an allowed datagram: the last kills, and what
    /// those agents logged.
    pub before_refusal: Vec<String>,
    /// Folders of starts at the end.
    pub folders: usize,
    /// The load without the enforcer.
    pub control: Counts,
    /// The load.
    pub load: Counts,
    /// How long it took.
    pub took: Duration,
}

impl Chaos {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, or that an agent did not start.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let lanes = Lane::ALL.into_iter();
        let lanes = lanes.filter(|lane| !(self.without_names && lane.needs_an_answer()));
        let lanes = lanes.filter(|lane| self.tc != "none" || *lane != Lane::Frames);
        let stage = Stage::make(&lanes.collect::<Vec<_>>(), Zone::new())?;
        let control = stage.control(self.rate)?;
        let seed = self.seed.unwrap_or_else(seed_by_time);
        let policy = policy("chaos", "", &[], &[]);
        let arguments = ["--tc", &self.tc];
        let agent = stage.rig.agent_with(&policy, &arguments)?;
        stage.learn()?;

        let begun = Instant::now();
        let load = stage.load(self.rate)?;
        let mut run = Run {
            stage: &stage,
            load,
            last: VecDeque::new(),
            random: Random::new(seed),
            outcome: Outcome {
                seed,
                kills: 0,
                in_start: 0,
                starts: Vec::new(),
                asked: 0,
                forgotten: 0,
                errors: Vec::new(),
                before_refusal: Vec::new(),
                folders: 0,
                control,
                load: Counts::default(),
                took: Duration::ZERO,
            },
        };
        let mut agent = agent;
        let mut started = None;
        while run.outcome.kills < self.kills {
            run.kill(agent, started)?;
            started = Some(Instant::now());
            agent = stage.rig.launch(&policy, &arguments)?;
        }
        agent.wait_until_ready()?;
        run.ask(&agent)?;
        run.note("not killed", &agent);
        let mut outcome = run.outcome;
        outcome.load = run.load.finish()?;
        outcome.took = begun.elapsed();
        outcome.note_errors(&agent);
        let entries = fs::read_dir(stage.rig.pins())?;
        outcome.folders = entries
            .filter(|it| it.as_ref().is_ok_and(|it| it.file_type().is_ok_and(|it| it.is_dir())))
            .count();
        outcome.starts.sort_unstable();
        Ok(outcome)
    }
}

/// A run under way.
struct Run<'a> {
    stage: &'a Stage,
    load: Load<'a>,
    /// The last kills, for people.
    last: VecDeque<String>,
    random: Random,
    outcome: Outcome,
}

impl Run<'_> {
    /// Kills an agent at some moment; where it is known when it was started, that can be in its
    /// start.
    fn kill(&mut self, mut agent: Agent<'_>, started: Option<Instant>) -> anyhow::Result<()> {
        let last = self.outcome.starts.last().copied();
        match (started, last) {
            (Some(_), Some(last)) if self.random.one_in(IN_START) => {
                self.let_live(usize::try_from(last.as_millis()).unwrap_or(usize::MAX));
            }
            _ => {
                agent.wait_until_ready()?;
                self.outcome.starts.extend(started.map(|started| started.elapsed()));
                if self.random.one_in(ASKED) {
                    self.ask(&agent)?;
                }
                self.let_live(MOST_ALIVE);
            }
        }
        agent.kill()?;
        agent.wait()?;
        let log = agent.log();
        self.outcome.kills += 1;
        let is_in_start = !log.iter().any(|line| line.contains(" ready "));
        self.outcome.in_start += u32::from(is_in_start);
        self.outcome.note_errors(&agent);
        let age = started.map(|started| started.elapsed()).unwrap_or_default();
        let when = if is_in_start { "in its start, " } else { "" };
        self.note(&format!("killed {when}after {age:.0?}"), &agent);
        Ok(())
    }

    /// Keeps what was the last to happen before something went wrong.
    fn note(&mut self, end: &str, agent: &Agent<'_>) {
        if !self.outcome.before_refusal.is_empty() {
            return;
        }
        let kills = self.outcome.kills;
        let mut log = agent.log();
        log.retain(|line| [" INFO ", " WARN ", " ERROR "].iter().any(|it| line.contains(it)));
        log.insert(0, format!("kill {kills}: {end}"));
        self.last.push_back(log.join("\n"));
        if self.last.len() > KEPT {
            self.last.pop_front();
        }
        if self.load.refused() != 0 {
            self.outcome.before_refusal = self.last.drain(..).collect();
        }
    }

    /// A moment is a time: there is nothing to wait for.
    fn let_live(&mut self, most_millis: usize) {
        let millis = u64::try_from(self.random.below(most_millis + 1)).unwrap_or(0);
        thread::sleep(Duration::from_millis(millis));
    }

    fn ask(&mut self, agent: &Agent<'_>) -> anyhow::Result<()> {
        let (known, all) = self.stage.known(agent)?;
        self.outcome.asked += 1;
        self.outcome.forgotten += u32::from(known < all);
        Ok(())
    }
}

impl Outcome {
    fn note_errors(&mut self, agent: &Agent<'_>) {
        for line in agent.log() {
            let message = line.split_once(" ERROR ").map(|(_, message)| message);
            let message = message.or_else(|| line.strip_prefix("error: "));
            let Some(message) = message.map(str::trim) else { continue };
            if !self.errors.iter().any(|known| known == message) {
                self.errors.push(message.to_owned());
            }
        }
    }

    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.control.faults_of_control();
        faults.extend(self.load.faults());
        if self.forgotten != 0 {
            let (forgotten, asked) = (self.forgotten, self.asked);
            faults.push(format!(
                "{forgotten} of {asked} times an agent did not know a name's address"
            ));
        }
        if self.folders != 1 {
            faults.push(format!("folders of starts: {}, not 1", self.folders));
        }
        faults.extend(self.errors.iter().map(|error| format!("an agent logged: {error}")));
        faults
    }

    fn share(&self, hundredths: usize) -> Duration {
        let at = (self.starts.len() * hundredths).div_ceil(100).max(1) - 1;
        self.starts.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "chaos: {} kills from seed {} in {:.1?}, {} of them in a start",
            self.kills, self.seed, self.took, self.in_start
        )?;
        writeln!(
            f,
            "an agent was ready after {:.1?} in the median, {:.1?} at most",
            self.share(50),
            self.share(100)
        )?;
        writeln!(
            f,
            "addresses of names: asked for {} times, not all known {} times",
            self.asked, self.forgotten
        )?;
        for line in self.before_refusal.iter().flat_map(|log| log.lines()) {
            writeln!(f, "before the first refusal: {line}")?;
        }
        write!(f, "without the enforcer\n{}under the policy\n{}", self.control, self.load)
    }
}
