//! A policy is replaced over and over, and what both the old and the new one say goes on.
//!
//! Under a load ([`crate::load`]) that every policy allows, one policy follows another: rules in
//! front of the common ones come and go, so that each has another slot, and two destinations are
//! allowed in turn. The file is written in every way that files are written ([`Manner`]), and now
//! and then left empty or half written, which must be refused and change nothing.
//!
//! The surprising thing: half of what stands in braces is never a policy. Half of what stands in
//! lines can be one, with fewer rules or none, and no reader could tell.

mod file;
mod print;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use nix::sys::signal::Signal;
use serde_json::Value;

use self::file::File;
pub use self::file::Manner;
use crate::{
    Agent, Zone,
    load::{Counts, Lane, Rate, Stage, policy},
    random::{Random, seed_by_time},
    wait,
};

/// How long a policy may take to be in force.
const PATIENCE: Duration = Duration::from_secs(15);
/// Destinations that are allowed in turn.
const IN_TURN: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 1, 1), Ipv4Addr::new(198, 18, 1, 2)];
const PORT: u16 = 443;
/// The most rules beside the common ones.
const MOST_RULES: usize = 8;
/// Of so many writes, one is not signalled.
const UNTOLD: usize = 4;
/// In front of one of so many policies is one that is broken.
const BROKEN: u32 = 20;

/// How often.
#[derive(Debug, Clone, Args)]
pub struct Reloads {
    /// Policies, one after the other
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    #[command(flatten)]
    pub rate: Rate,
    /// What the policies are made from: the same number makes the same ones [default: the time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Whether uplinks are judged as well, as `enforcer run --tc`
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    pub tc: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the policies were made from.
    pub seed: u64,
    /// Policies that came in force, by the way their file was written.
    pub in_force: BTreeMap<Manner, u64>,
    /// How long that took where the agent was signalled, and where it was not; sorted.
    pub times: [Vec<Duration>; 2],
    /// Files that are no policy.
    pub broken: u64,
    /// Those of them that were refused and left the policy in force as it was.
    pub refused: u64,
    /// Looks at the two destinations that are allowed in turn, and wrong ones among them.
    pub looks: u64,
    /// See [`Outcome::looks`].
    pub wrong: u64,
    /// The agent's resident memory in bytes before and afterwards.
    pub memory: [u64; 2],
    /// Addresses of names that are known at the end, and how many there are.
    pub known: (usize, usize),
    /// The load without the enforcer.
    pub control: Counts,
    /// The load.
    pub load: Counts,
    /// How long it took.
    pub took: Duration,
}

impl Reloads {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, or that a policy does not come in force.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let lanes = Lane::ALL.into_iter().filter(|it| self.tc != "none" || *it != Lane::Frames);
        let stage = Stage::make(&lanes.collect::<Vec<_>>(), Zone::new())?;
        let control = stage.control(self.rate)?;
        let seed = self.seed.unwrap_or_else(seed_by_time);
        let mut random = Random::new(seed);
        let first = text(0, &mut random);
        let agent = stage.rig.agent_with(&first, &["--tc", &self.tc])?;
        stage.learn()?;
        let sender = stage.rig.insider(&stage.rig.client)?;
        let sender = sender.datagrams((Ipv4Addr::UNSPECIFIED, 0).into())?;

        let begun = Instant::now();
        let load = stage.load(self.rate)?;
        let mut run = Run {
            file: File::new(agent.policy_path()),
            agent,
            sender,
            random,
            in_force: 0,
            outcome: Outcome {
                seed,
                in_force: BTreeMap::new(),
                times: [Vec::new(), Vec::new()],
                broken: 0,
                refused: 0,
                looks: 0,
                wrong: 0,
                memory: [0; 2],
                known: (0, 0),
                control,
                load: Counts::default(),
                took: Duration::ZERO,
            },
        };
        run.outcome.memory[0] = run.agent.memory().context("read the agent's memory")?;
        for number in 1..=self.count {
            run.replace(number).with_context(|| format!("write policy {number}, seed {seed}"))?;
        }
        let mut outcome = run.outcome;
        outcome.load = load.finish()?;
        outcome.took = begun.elapsed();
        outcome.memory[1] = run.agent.memory().context("read the agent's memory")?;
        outcome.known = stage.known(&run.agent)?;
        for times in &mut outcome.times {
            times.sort_unstable();
        }
        Ok(outcome)
    }
}

/// A run under way.
struct Run<'a> {
    agent: Agent<'a>,
    file: File,
    sender: UdpSocket,
    random: Random,
    /// The number of the policy in force.
    in_force: u32,
    outcome: Outcome,
}

impl Run<'_> {
    /// Writes the next policy, perhaps a broken one before, and waits until it is in force.
    fn replace(&mut self, number: u32) -> anyhow::Result<()> {
        let text = text(number, &mut self.random);
        if number % BROKEN == BROKEN / 2 {
            self.break_it(&text)?;
        }
        let manner = self.random.pick(Manner::Rename, &[Manner::Swap, Manner::InPlace]);
        let is_told = !self.random.one_in(UNTOLD);
        let mark = self.agent.log_length();
        let begun = Instant::now();
        self.file.write(manner, &text)?;
        self.tell(is_told)?;
        wait::until_true("the policy to be in force", PATIENCE, || {
            let lines = self.agent.log_after(mark);
            lines.iter().any(|line| line.contains("in force")) && self.name() == Some(name(number))
        })
        .with_context(|| format!("the agent logged:\n{}", self.agent.log_after(mark).join("\n")))?;
        if let Some(times) = self.outcome.times.get_mut(usize::from(!is_told)) {
            times.push(begun.elapsed());
        }
        *self.outcome.in_force.entry(manner).or_default() += 1;
        self.in_force = number;
        self.look();
        Ok(())
    }

    /// Writes a part of a policy, and waits until it is refused.
    fn break_it(&mut self, text: &str) -> anyhow::Result<()> {
        let half = if self.random.one_in(3) { 0 } else { self.random.below(text.trim_end().len()) };
        let is_told = !self.random.one_in(UNTOLD);
        let mark = self.agent.log_length();
        self.file.write(Manner::InPlace, text.get(..half).unwrap_or_default())?;
        self.tell(is_told)?;
        self.outcome.broken += 1;
        wait::until_true("a refusal", PATIENCE, || {
            let lines = self.agent.log_after(mark);
            lines.iter().any(|line| line.contains("the policy is refused"))
        })
        .with_context(|| {
            let logged = self.agent.log_after(mark).join("\n");
            format!("the agent logged:\n{logged}\nof the first {half} bytes of:\n{text}")
        })?;
        wait::until_true("status to say so", PATIENCE, || {
            let status = self.agent.status().unwrap_or_default();
            status.pointer("/policy/reloadError").is_some_and(Value::is_string)
        })?;
        self.outcome.refused += u64::from(self.name() == Some(name(self.in_force)));
        self.look();
        Ok(())
    }

    /// Whether the agent hears of it by a signal; else it has to see it.
    fn tell(&self, is_told: bool) -> anyhow::Result<()> {
        if is_told { self.agent.signal(Signal::SIGHUP) } else { Ok(()) }
    }

    /// The name of the policy in force.
    fn name(&self) -> Option<String> {
        let status = self.agent.status().ok()?;
        Some(status.pointer("/policy/name")?.as_str()?.to_owned())
    }

    /// Tries both destinations, of which one is allowed.
    fn look(&mut self) {
        for (turn, destination) in (0..).zip(IN_TURN) {
            let sent = self.sender.send_to(b"ping", SocketAddr::from((destination, PORT)));
            let is_right = match sent {
                Ok(_) => self.in_force % 2 == turn,
                Err(error) => {
                    error.kind() == io::ErrorKind::PermissionDenied && self.in_force % 2 != turn
                }
            };
            self.outcome.looks += 1;
            self.outcome.wrong += u64::from(!is_right);
        }
    }
}

/// What a policy is called.
fn name(number: u32) -> String {
    format!("reload-{number}")
}

/// The policy of a number: the common rules, one of the destinations in turn, and others.
fn text(number: u32, random: &mut Random) -> String {
    let mut other = |at: &str| {
        let rules = (0..random.below(MOST_RULES)).map(|index| {
            let [a, b, ..] = random.next().to_ne_bytes();
            match index % 3 {
                0 => format!(
                    "{{name: {at}-{index}, to: [{{cidr: 10.{a}.{b}.0/24}}], ports: [tcp/{PORT}]}}"
                ),
                1 => format!(
                    "{{name: {at}-{index}, to: [{{fqdn: '*.n{a}.test'}}], ports: [tcp/{PORT}]}}"
                ),
                _ => format!(
                    "{{name: {at}-{index}, action: deny, to: [{{cidr: 10.{a}.{b}.7}}], \
                     ports: [udp/{PORT}]}}"
                ),
            }
        });
        rules.collect::<Vec<_>>()
    };
    let (before, mut behind) = (other("before"), other("behind"));
    let [even, odd] = IN_TURN;
    let allowed = if number.is_multiple_of(2) { even } else { odd };
    behind.push(format!("{{name: in-turn, to: [{{cidr: {allowed}}}], ports: [udp/{PORT}]}}"));
    policy(&name(number), "", &before, &behind)
}
