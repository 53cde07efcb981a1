//! The demo: the AKS preset in a world of its own, every row of a table shown by real packets.
//!
//! Each [`rows::Row`] is run twice by a process in the workload: first without the enforcer, where
//! everything must be reached (so that "refused" means something), then with it. A row is as
//! expected only if three witnesses agree: the process itself, the capture at the other end of
//! the wire, and the kernel's counters, which must have moved for the very rule or reason that
//! the row names and for nothing else.
//!
//! The surprising thing: rows run one after another, although they could run together. Only so
//! can a counter's move be put down to a row, and it takes a few seconds all the same.

mod counters;
mod interrupt;
mod print;
mod rows;
mod stage;
mod trial;

use std::process::ExitCode;

use clap::Parser;

use self::{
    counters::Counters,
    print::Printer,
    rows::ROWS,
    stage::Stage,
    trial::{Mode, Trial},
};
use crate::privilege;

/// The main job of enforcer, for real: a policy, a name server, peers, and who reaches what.
#[derive(Debug, Parser)]
#[command(name = "enforcer-demo", version)]
pub struct Demo {
    /// Only count what the policy would refuse; everything is reached
    #[arg(long)]
    audit: bool,
}

impl Demo {
    /// Runs it; success only if every row is as expected.
    ///
    /// # Errors
    ///
    /// That the demo could not be run, which says nothing about the rows.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(reason) = privilege::missing() {
            anyhow::bail!("run the demo: {reason}");
        }
        let signals = interrupt::hold()?;
        let stage = Stage::make()?;
        let interrupt = signals.watch(stage.rig.remains());
        let mut printer = Printer::default();

        let mut control = Vec::with_capacity(ROWS.len());
        for row in ROWS {
            interrupt.check()?;
            control.push(Trial::run(&stage, row)?);
        }
        printer.control(&control)?;

        let mode = if self.audit { Mode::Audit } else { Mode::Enforce };
        let agent = stage.rig.agent(&stage::policy(mode))?;
        let mut before = Counters::read(&agent.status()?)?;
        let mut trials = Vec::with_capacity(ROWS.len());
        for row in ROWS {
            interrupt.check()?;
            let mut trial = Trial::run(&stage, row)?;
            let after = Counters::read(&agent.status()?)?;
            trial.counted = after.moved_since(&before);
            before = after;
            trials.push(trial);
        }
        printer.trials(&trials, mode)?;
        printer.status(&agent)?;
        printer.metrics(&agent.metrics()?)?;

        let is_well = control.iter().all(|trial| trial.faults(Mode::Control).is_empty())
            && trials.iter().all(|trial| trial.faults(mode).is_empty());
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
