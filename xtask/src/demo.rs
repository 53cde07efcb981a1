//! `cargo xtask demo`: the main job, for real.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    privilege, setup, step,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// Handed to the demo as they are; `cargo xtask demo -- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<OsString>,
}

/// Sets up, builds, and becomes the demo, so that Ctrl-C reaches the one that has to clean up.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    privilege::require("demo", "it makes network namespaces and attaches programs to a cgroup")?;
    setup::run()?;
    build::programs(arguments.profile)?;
    let mut demo = command(arguments.profile)?;
    let error = demo.args(&arguments.passed_on).exec();
    Err(error).with_context(|| format!("start {}", demo.get_program().display()))
}

/// Runs the demo that `build` has left, and comes back.
pub(crate) fn run_built(profile: Profile) -> Result<()> {
    step::run(&mut command(profile)?)
}

fn command(profile: Profile) -> Result<Command> {
    let mut demo = Command::new(profile.program("enforcer-demo")?);
    demo.env("ENFORCER_BIN", profile.program("enforcer")?);
    Ok(demo)
}
