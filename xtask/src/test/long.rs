//! Runs that are too long for every day: a program that prints what it measures.

use std::{ffi::OsString, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    privilege, setup, step,
    tally::Tally,
};

/// What can be run at length. Each counts as one test; a short form of it is in the tier `e2e`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Run {
    /// Asks for 100,000 fresh names and connects in the system call after each answer.
    ///
    /// Prints how many connects were refused, SYNs sent again, and how long lookups and connects
    /// took, with the enforcer and without.
    Race(Arguments),
    /// Sends a million forged answers, none of which may teach an address.
    Spoof(Arguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// Handed on as they are; `cargo xtask test race -- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<OsString>,
}

impl Run {
    /// Sets up, builds and runs it.
    pub(super) fn run(&self) -> Result<Tally> {
        let (name, arguments) = match self {
            Self::Race(arguments) => ("race", arguments),
            Self::Spoof(arguments) => ("spoof", arguments),
        };
        let reason = "it makes network namespaces and attaches programs to a cgroup";
        privilege::require("test", reason)?;
        setup::run()?;
        build::programs(arguments.profile)?;
        let mut long = Command::new(arguments.profile.program("enforcer-long")?);
        long.arg(name).args(&arguments.passed_on);
        long.env("ENFORCER_BIN", arguments.profile.program("enforcer")?);
        let status = long.status().with_context(|| format!("run {name}"))?;
        step::say(&format!("{name}: {status}"));
        Ok(if status.success() { Tally::PASS } else { Tally::FAIL })
    }
}
