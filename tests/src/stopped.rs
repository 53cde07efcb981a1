//! The agent is stopped, and names live and die all the same.
//!
//! A process of the workload asks for one fresh name after another, whose answers hold for a few
//! seconds. Each address must be closed before, open in the system call after the answer, and
//! closed again in time: at its expiry where it was not in use, at the end of its grace where it
//! was, and later by as much where the name was asked for again ([`Use`]). A load
//! ([`crate::load`]) goes on meanwhile.
//!
//! The surprising thing: what is exact here does not depend on how fast this machine is. When the
//! kernel learned an address is known to lie between question and answer, and each judgement
//! between two looks at the clock.

mod print;
mod subject;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use nix::sys::signal::Signal;

pub use self::subject::{Fate, Use};
use self::subject::{Subject, ZONE};
use crate::{
    Zone,
    load::{Counts, Lane, Rate, Stage, policy},
    wait,
};

/// As the answers say.
const TTL_SECS: u32 = 3;
const TTL: Duration = Duration::from_secs(3);
/// As the policy says. The kernel notes use once in a second, so it has to be longer than that.
const GRACE: Duration = Duration::from_secs(2);
/// Between two names.
const BREAK: Duration = Duration::from_millis(250);
/// Between two tries of an address.
const STEP: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(15);
const PORT: u16 = 443;

/// How long.
#[derive(Debug, Clone, Args)]
pub struct Stopped {
    /// Seconds in which names are asked for
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    #[command(flatten)]
    pub rate: Rate,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Names that were asked for, by how their addresses were used, and what came of them.
    pub fates: BTreeMap<(Use, Fate), u64>,
    /// How long after its time each address that was tried all the while was refused; sorted.
    pub delays: Vec<Duration>,
    /// Whether the agent was well again when it went on.
    pub is_well: bool,
    /// The load without the enforcer.
    pub control: Counts,
    /// The load.
    pub load: Counts,
    /// For how long the agent was stopped.
    pub took: Duration,
}

impl Stopped {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let names = self.seconds * 1_000 / u32::try_from(BREAK.as_millis())?;
        let zone = (0..names).fold(Zone::new(), |zone, number| {
            let (name, address) = (subject::name(number), subject::address(number));
            zone.with(&name, [address]).with_ttl(&name, TTL_SECS)
        });
        let stage = Stage::make(&Lane::ALL, zone)?;
        let control = stage.control(self.rate)?;
        let rule = format!("{{name: short, to: [{{fqdn: '*.{ZONE}'}}], ports: [udp/{PORT}]}}");
        let dns = format!(", minTtl: 1s, grace: {}s", GRACE.as_secs());
        let agent =
            stage.rig.agent_with(&policy("stopped", &dns, &[], &[rule]), &["--tc", "auto"])?;
        stage.learn()?;
        let client = Client::make(&stage)?;

        let load = stage.load(self.rate)?;
        agent.stop()?;
        let begun = Instant::now();
        let mut outcome = client.run(names)?;
        outcome.took = begun.elapsed();
        agent.signal(Signal::SIGCONT)?;
        let is_well = wait::until_true("the agent to be well", PATIENCE, || {
            agent.cli(&["status"]).is_ok_and(|done| done.status.success())
        });
        outcome.is_well = is_well.is_ok();
        outcome.control = control;
        outcome.load = load.finish()?;
        outcome.delays.sort_unstable();
        Ok(outcome)
    }
}

/// The process of the workload.
struct Client {
    asking: UdpSocket,
    sending: UdpSocket,
}

impl Client {
    fn make(stage: &Stage) -> anyhow::Result<Self> {
        let insider = stage.rig.insider(&stage.rig.client)?;
        let own = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let asking = insider.datagrams(own)?;
        asking.connect(Stage::resolver()).context("connect to the resolver")?;
        Ok(Self { asking, sending: insider.datagrams(own)? })
    }

    /// Asks for so many names, each at its time, and follows each to its end.
    fn run(&self, names: u32) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome {
            fates: BTreeMap::new(),
            delays: Vec::new(),
            is_well: false,
            control: Counts::default(),
            load: Counts::default(),
            took: Duration::ZERO,
        };
        let begun = Instant::now();
        let mut subjects: Vec<Subject> = Vec::new();
        let mut next = 0;
        while next < names || !subjects.is_empty() {
            if next < names && begun.elapsed() >= BREAK * next {
                match Subject::start(next, self)? {
                    Ok(subject) => subjects.push(subject),
                    Err(fate) => outcome.note(Use::of(next), fate),
                }
                next += 1;
            }
            let mut living = Vec::with_capacity(subjects.len());
            for mut subject in subjects {
                match subject.step(self)? {
                    None => living.push(subject),
                    Some((fate, delay)) => {
                        outcome.delays.extend(delay);
                        outcome.note(subject.usage, fate);
                    }
                }
            }
            subjects = living;
            thread::sleep(STEP);
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn note(&mut self, usage: Use, fate: Fate) {
        *self.fates.entry((usage, fate)).or_default() += 1;
    }
}
