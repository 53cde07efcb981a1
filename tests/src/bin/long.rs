//! The long runs of `cargo xtask test race`, `spoof` and their like.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use enforcer_tests::{
    chaos::Chaos, churn::Churn, inbound::Inbound, malformed::Malformed, newcomer::Newcomer,
    pods::Pods, privilege, race::Race, reloads::Reloads, spoof::Spoof, stopped::Stopped,
    tamper::Tamper, upgrades::Upgrades,
};

/// Runs that are too long for every day.
#[derive(Debug, Parser)]
#[command(name = "enforcer-long")]
enum Arguments {
    /// A connect in the system call after an answer
    Race(Race),
    /// Forged answers
    Spoof(Spoof),
    /// Malformed packets
    Malformed(Malformed),
    /// Connections and datagrams from outside
    Inbound(Inbound),
    /// Devices that become uplinks
    Newcomer(Newcomer),
    /// Pods that come and go
    Pods(Pods),
    /// Kills of the agent under a load
    Chaos(Chaos),
    /// Versions of the agent that replace each other under a load
    Upgrades(Upgrades),
    /// Policies that replace each other under a load
    Reloads(Reloads),
    /// Hooks and pins that are taken away
    Tamper(Tamper),
    /// Names while the agent is stopped
    Stopped(Stopped),
    /// Addresses that come and go
    Churn(Churn),
}

fn main() -> ExitCode {
    let outcome = run(&Arguments::parse());
    let code = if matches!(outcome, Ok(true)) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if let Err(error) = outcome {
        // A closed standard error leaves nobody to tell.
        drop(writeln!(io::stderr(), "error: {error:#}"));
    }
    code
}

/// Whether all was as it must be.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(reason) = privilege::missing() {
        anyhow::bail!("run this: {reason}");
    }
    let (shown, faults) = match arguments {
        Arguments::Race(race) => {
            let outcome = race.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Spoof(spoof) => {
            let outcome = spoof.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Malformed(malformed) => {
            let outcome = malformed.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Newcomer(newcomer) => {
            let outcome = newcomer.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Pods(pods) => {
            let outcome = pods.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Chaos(chaos) => {
            let outcome = chaos.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Upgrades(upgrades) => {
            let outcome = upgrades.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Reloads(reloads) => {
            let outcome = reloads.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Tamper(tamper) => {
            let outcome = tamper.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Stopped(stopped) => {
            let outcome = stopped.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Churn(churn) => {
            let outcome = churn.run()?;
            (outcome.to_string(), outcome.faults())
        }
        Arguments::Inbound(inbound) => {
            let outcome = inbound.run()?;
            (outcome.to_string(), outcome.faults())
        }
    };
    let mut out = io::stdout();
    write!(out, "{shown}")?;
    for fault in &faults {
        writeln!(out, "fault: {fault}")?;
    }
    Ok(faults.is_empty())
}
