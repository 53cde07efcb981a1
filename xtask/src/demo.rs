//! `cargo xtask demo`: the main job, for real.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::{
    build::Profile,
    program::{self, Arguments},
    step,
};

/// The help of what is passed on.
pub(crate) const PASSED_ON: &str =
    "Handed to the demo as they are; `cargo xtask demo -- --help` lists them";
const PROGRAM: &str = "enforcer-demo";

/// Sets up, builds, and becomes the demo, so that Ctrl-C reaches the one that has to clean up.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut demo = arguments.prepare("demo", PROGRAM)?;
    let error = demo.args(&arguments.passed_on).exec();
    Err(error).with_context(|| format!("start {}", demo.get_program().display()))
}

/// Runs the demo that `build` has left, and comes back.
pub(crate) fn run_built(profile: Profile) -> Result<()> {
    step::run(&mut program::built(profile, PROGRAM)?)
}
