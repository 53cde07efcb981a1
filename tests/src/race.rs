//! The race between an answer and the packet that it allows.
//!
//! A client asks for a name that nobody has asked for before, and connects in the system call
//! after the one that gave it the answer. If the address were learned a moment too late, the
//! connect would fail, or its first SYN be lost and sent again a second later; neither may happen
//! once in 100,000 names, and the agent has no part in it: it is stopped for some of them.
//!
//! The same client runs without the enforcer before, so that times can be compared. The surprising
//! thing: names are numbers. A name's address follows from its number, so no list tells which
//! addresses are fresh, and a name is fresh if its number is.

mod client;
mod figures;
mod print;
pub(crate) mod socket;
mod stage;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;

pub(crate) use self::client::Task;
pub use self::figures::{Report, Times};
pub(crate) use self::stage::{Racing, Stage};
use crate::responder::Form;

/// What clients connect to.
pub(crate) const PORT: u16 = 443;
/// What the policy allows names of.
pub(crate) const ZONE: &str = "race.test";
/// The trusted resolvers.
pub(crate) const RESOLVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53)),
];
const RATE_SECS: u32 = 10;
const PER_SECOND: u32 = 10_000;

/// How long a race is.
#[derive(Debug, Clone, Args)]
pub struct Race {
    /// Names that are asked for while the agent runs, and as many without the enforcer
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub names: u32,
    /// Names that are asked for while the agent is stopped
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub stopped: u32,
    /// Names whose answers the kernel hands to the agent, of each kind
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub handed: u32,
    /// Seconds of 10,000 questions each, with the enforcer and without
    #[arg(long, default_value_t = RATE_SECS, value_parser = clap::value_parser!(u32).range(0..=60))]
    pub seconds: u32,
}

/// What came of a race.
#[derive(Debug)]
pub struct Outcome {
    /// Without the enforcer.
    pub control: Report,
    /// With it, the agent running.
    pub running: Report,
    /// With it, the agent stopped.
    pub stopped: Report,
    /// Addresses that the kernel had for names when the agent had run, and when it had been
    /// stopped: each name must have given one that was not there.
    pub learned: [u64; 2],
    /// Questions at a steady rate, without the enforcer and with it.
    pub rates: [Report; 2],
    /// How long clients waited for the agent: after a cut answer, and after a long one.
    pub waits: [Report; 2],
}

impl Race {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about who wins.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let stage = Stage::make()?;
        let mut next = 0;
        let mut fresh = |count: u32| {
            let first = next;
            next += count;
            first..next
        };
        let rate = |names| Task::Ask { names, per_second: PER_SECOND };
        let control = stage.run(&Task::Connect { names: fresh(self.names), is_enforced: false })?;
        let control_rate = stage.run(&rate(fresh(self.seconds * PER_SECOND)))?;

        let agent = stage.agent(self.addresses())?;
        let running = stage.run(&Task::Connect { names: fresh(self.names), is_enforced: true })?;
        let learned_running = agent.addresses()?;
        let waits = [
            stage.run(&Task::Wait { names: fresh(self.handed), form: Form::Cut })?,
            stage.run(&Task::Wait { names: 0..self.handed, form: Form::Many })?,
        ];
        let with_enforcer = stage.run(&rate(fresh(self.seconds * PER_SECOND)))?;
        let before = agent.addresses()?;
        agent.stop()?;
        let stopped =
            stage.run(&Task::Connect { names: fresh(self.stopped), is_enforced: true })?;
        let learned_stopped = agent.addresses()?.saturating_sub(before);
        Ok(Outcome {
            control,
            running,
            stopped,
            learned: [learned_running, learned_stopped],
            rates: [control_rate, with_enforcer],
            waits,
        })
    }

    /// Room for all that is learned: long answers teach the agent both families.
    fn addresses(&self) -> u32 {
        let long = self.handed * crate::responder::MANY * 2;
        self.names + self.stopped + self.handed * 2 + long + self.seconds * PER_SECOND + 1_000
    }
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut zero = |what: &str, counts: &[(&str, u64)]| {
            for (count, number) in counts.iter().filter(|it| it.1 != 0) {
                faults.push(format!("{what}: {count}: {number}, not 0"));
            }
        };
        for (what, report) in [
            ("without the enforcer", &self.control),
            ("the agent running", &self.running),
            ("the agent stopped", &self.stopped),
        ] {
            zero(
                what,
                &[
                    ("unanswered", report.unanswered),
                    ("refused", report.refused),
                    ("silent", report.silent),
                    ("duplicate SYN", report.repeated),
                    ("open before the name was asked for", report.open_before),
                    ("open for a name that no rule covers", report.open_neighbours),
                ],
            );
        }
        for (what, report) in ["cut answers", "long answers"].into_iter().zip(&self.waits) {
            zero(what, &[("never open", report.refused)]);
        }
        for (what, report) in ["rate without", "rate with"].into_iter().zip(&self.rates) {
            zero(what, &[("unanswered", report.unanswered)]);
        }
        for (report, learned) in [&self.running, &self.stopped].into_iter().zip(self.learned) {
            if report.connected != report.asked || learned != report.asked {
                faults.push(format!(
                    "{} names: {} connected, {learned} addresses learned that were not there",
                    report.asked, report.connected
                ));
            }
        }
        faults
    }
}
