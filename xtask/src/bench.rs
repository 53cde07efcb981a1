//! `cargo xtask bench`: what a packet costs.

use std::{ffi::OsString, os::unix::process::CommandExt as _};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    program, setup, step,
};

const PROGRAM: &str = "enforcer-bench";
/// What it runs: itself, what it measures, and the program with the rig's hidden verbs.
const PROGRAMS: [&str; 3] = [PROGRAM, "enforcer", "enforcer-demo"];

/// What is measured is what is shipped, unless it is said otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Built as for tests: sooner to be had, and without the agent that is shipped
    #[arg(long)]
    debug: bool,
    /// Handed to the bench as they are; `cargo xtask bench -- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<OsString>,
}

/// Sets up, builds, and becomes the bench.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let profile = if arguments.debug { Profile::default() } else { Profile::RELEASE };
    let mut bench = program::prepare(profile, "bench", PROGRAM, |it| build::only(it, &PROGRAMS))?;
    // What is missing is told beside the figures; the others are measured.
    if let Err(error) = setup::for_bench() {
        step::complain(&error);
    }
    let error = bench.args(&arguments.passed_on).exec();
    Err(error).with_context(|| format!("start {}", bench.get_program().display()))
}

/// Has the bench that `build` has left show what the programs alone take, and comes back.
pub(crate) fn show_programs(profile: Profile) -> Result<()> {
    step::run(program::built(profile, PROGRAM)?.arg("--only=programs"))
}
