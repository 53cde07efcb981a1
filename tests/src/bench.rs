//! What a packet costs: without the enforcer, with it, and with what else a user would pick.
//!
//! Each [`Contender`] has a world of its own, a [`Rig`] with the same allowlist in force in its own
//! way. The same is sent through all of them in turn, a sample each, round after round, so that what
//! else goes on on the machine meets all alike. What counts is how long the sending thread is on its
//! processor, and the difference to the same round's samples without anything: these are taken twice
//! a round, and how far they lie apart is the noise.
//!
//! The surprising thing: one thread is both ends of everything. The kernel delivers through a pair of
//! `veth` devices before the call that sends returns, so a connection is accepted, a question
//! answered and a stream read by the thread that made, asked and wrote it. Nobody waits for anybody,
//! nothing is left to other threads, and both directions are in the time. Of datagrams that nobody
//! answers, the far end drops what has crossed the wire as early as it can: the lower its cost, the
//! less it hides.
//!
//! A second part has the kernel run each program over one packet ([`programs`]); those figures
//! hardly move from run to run. A third looks at an agent that has nothing to do ([`idle`]).

mod allowlist;
mod bulk;
mod clock;
mod column;
pub(crate) mod connections;
mod contender;
mod control;
mod filter;
mod firsts;
mod flood;
mod growth;
mod idle;
mod lookups;
mod print;
mod programs;
mod quartiles;
mod report;
mod scenario;
mod sender;
mod trivial;

use std::{fs, thread};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use self::{allowlist::Allowlist, column::Column};
pub use self::{
    contender::Contender,
    control::{Control, Kind, Step, Timed},
    idle::Idle,
    quartiles::Quartiles,
    report::{Figures, Machine, Outcome, Path, Traffic},
    scenario::{Force, Scenario, Shape},
};
use crate::Rig;

/// Addresses that the allowlists have.
const SIZES: [u32; 4] = [10, 1_000, 100_000, 1_000_000];
/// The last of them takes minutes to load, rather than seconds.
const QUICK_SIZES: usize = 3;
/// Entries of the policies that are loaded and reloaded.
const ENTRIES: u32 = 1_000_000;
const QUICK_ENTRIES: u32 = 100_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Real traffic past all contenders.
    Traffic,
    /// Each program over one packet, as the kernel runs it on request: a few seconds.
    Programs,
    /// An agent that has nothing to do.
    Idle,
    /// Loads and reloads.
    Control,
}

/// How much is measured.
#[derive(Debug, Clone, Args)]
pub struct Bench {
    /// Addresses of each allowlist [default: 10, 1000, 100000 and 1000000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub addresses: Vec<u32>,
    /// Samples of each contender
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub rounds: u32,
    /// Datagrams of a sample
    #[arg(long, default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub packets: u32,
    /// How often the kernel runs a program for one figure
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub repeat: u32,
    /// Seconds for which an agent that has nothing to do is looked at
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub idle: u32,
    /// Entries of the policies that are loaded and reloaded [default: 1000000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub entries: Option<u32>,
    /// How often they are
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub loads: u32,
    /// Parts that are measured [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Kinds of traffic that are measured [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub shapes: Vec<Shape>,
    /// Fewer and shorter samples, and at most 100000 addresses: less than two minutes
    #[arg(long, conflicts_with_all = ["addresses", "rounds", "packets", "repeat", "idle", "loads"])]
    pub quick: bool,
}

impl Bench {
    /// As it was asked for, with `quick` spelt out.
    fn spelt_out(&self) -> Self {
        let mut all = self.clone();
        if self.quick {
            (all.rounds, all.packets, all.repeat, all.idle) = (11, 2_048, 20_000, 3);
            all.loads = 3;
            all.entries = all.entries.or(Some(QUICK_ENTRIES));
        }
        if all.addresses.is_empty() {
            let count = if self.quick { QUICK_SIZES } else { SIZES.len() };
            all.addresses = SIZES.into_iter().take(count).collect();
        }
        all
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// That the worlds could not be made, or that there is none of a contender that needs no more
    /// than this kernel. What else is missing is told in its column.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let bench = self.spelt_out();
        let mut traffic = Vec::new();
        let sizes = if bench.has(Part::Traffic) { &bench.addresses[..] } else { &[] };
        let mut scenarios = scenario::all(sizes);
        scenarios.retain(|it| bench.shapes.is_empty() || bench.shapes.contains(&it.shape));
        for scenarios in scenarios.chunk_by(|one, next| one.force == next.force) {
            traffic.extend(
                bench.measure(scenarios).with_context(|| format!("measure {scenarios:?}"))?,
            );
        }
        let mut programs = Vec::new();
        if bench.has(Part::Programs) {
            programs = programs::measure(bench.repeat).context("measure the programs alone")?;
        }
        let mut idle = None;
        if bench.has(Part::Idle) {
            idle = Some(idle::measure(bench.idle).context("look at an idle agent")?);
        }
        let mut control = Vec::new();
        if bench.has(Part::Control) {
            control = control::measure(bench.entries.unwrap_or(ENTRIES), bench.loads)
                .context("measure loads and reloads")?;
        }
        Ok(Outcome {
            machine: machine()?,
            rounds: bench.rounds,
            packets: bench.packets,
            repeat: bench.repeat,
            batch: flood::BATCH,
            traffic,
            programs,
            idle,
            control,
        })
    }

    /// Several kinds of traffic with the same in force.
    fn measure(&self, scenarios: &[Scenario]) -> anyhow::Result<Vec<Traffic>> {
        let Some(Scenario { force, .. }) = scenarios.first() else { return Ok(Vec::new()) };
        let list = Allowlist::new(force.addresses, force.family);
        let rigs =
            Contender::ALL.map(|_| Rig::make()).into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut columns = Vec::new();
        for (contender, rig) in Contender::ALL.into_iter().zip(&rigs) {
            columns.push(Column::make(contender, rig, &list, force.rules)?);
        }
        let mut traffic = Vec::new();
        for scenario in scenarios {
            for column in &mut columns {
                column.aim(*scenario, &list)?;
            }
            for _ in 0..self.rounds {
                for column in &mut columns {
                    column.sample(scenario.shape.units(self.packets))?;
                }
            }
            let figures = columns.iter_mut().map(Column::take).collect::<Result<Vec<_>, _>>()?;
            traffic.push(Traffic::new(*scenario, figures));
        }
        Ok(traffic)
    }
}

/// What it ran on, without which no figure means anything.
fn machine() -> anyhow::Result<Machine> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the release")?;
    let about = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let named = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
    Ok(Machine {
        kernel: release.trim().to_owned(),
        processor: named.map_or("unknown", |(_, name)| name).to_owned(),
        processors: thread::available_parallelism().context("count processors")?.get(),
        load: load.split(' ').next().unwrap_or_default().to_owned(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}
