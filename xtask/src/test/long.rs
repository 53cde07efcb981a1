//! Runs that are too long for every day: a program that prints what it measures.

use anyhow::{Context as _, Result};

use crate::{program::Arguments, step, tally::Tally};

/// The help of what is passed on.
const PASSED_ON: &str = "Handed on as they are; `-- --help` lists them";

/// What can be run at length. Each counts as one test; a short form of it is in the tier `e2e`,
/// of `malformed` in the tier `program`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Run {
    /// Asks for 100,000 fresh names and connects in the system call after each answer.
    ///
    /// Prints how many connects were refused, SYNs sent again, and how long lookups and connects
    /// took, with the enforcer and without.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Race(Arguments),
    /// Sends a million forged answers, none of which may teach an address.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Spoof(Arguments),
    /// Judges a million malformed packets, each as a plain reading of its headers does.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Malformed(Arguments),
    /// Has 10,000 connections and 100,000 datagrams from outside answered under an empty allowlist.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Inbound(Arguments),
    /// Makes 100 devices uplinks, one after the other, and measures until when frames pass there.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Newcomer(Arguments),
    /// Makes and removes 500 pods, 50 a second, each of which sends by a rule of its own.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Pods(Arguments),
    /// Kills the agent 1,000 times, a third of them in its start, under a load that must not notice.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Chaos(Arguments),
    /// Changes the agent's version 200 times, up and down between two layouts, under a load.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Upgrades(Arguments),
    /// Replaces the policy 10,000 times, in every way that a file is written, under a load.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Reloads(Arguments),
    /// Takes a hook, pin or filter away 200 times, and measures until when it is back.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Tamper(Arguments),
    /// Stops the agent for ten minutes, in which names are learned and expire all the same.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Stopped(Arguments),
    /// Has ten million addresses learned and expire, after which memory must be as before.
    #[command(mut_arg("passed_on", |it| it.help(PASSED_ON)))]
    Churn(Arguments),
}

impl Run {
    /// Sets up, builds and runs it.
    pub(super) fn run(&self) -> Result<Tally> {
        let (name, arguments) = match self {
            Self::Race(arguments) => ("race", arguments),
            Self::Spoof(arguments) => ("spoof", arguments),
            Self::Malformed(arguments) => ("malformed", arguments),
            Self::Inbound(arguments) => ("inbound", arguments),
            Self::Newcomer(arguments) => ("newcomer", arguments),
            Self::Pods(arguments) => ("pods", arguments),
            Self::Chaos(arguments) => ("chaos", arguments),
            Self::Upgrades(arguments) => ("upgrades", arguments),
            Self::Churn(arguments) => ("churn", arguments),
            Self::Reloads(arguments) => ("reloads", arguments),
            Self::Tamper(arguments) => ("tamper", arguments),
            Self::Stopped(arguments) => ("stopped", arguments),
        };
        let mut long = if matches!(self, Self::Upgrades(_)) {
            arguments.prepare_two("test", "enforcer-long")?
        } else {
            arguments.prepare("test", "enforcer-long")?
        };
        long.arg(name).args(&arguments.passed_on);
        let status = long.status().with_context(|| format!("run {name}"))?;
        step::say(&format!("{name}: {status}"));
        Ok(if status.success() { Tally::PASS } else { Tally::FAIL })
    }
}
