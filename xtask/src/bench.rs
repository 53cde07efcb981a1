//! `cargo xtask bench`: what a packet costs.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::{program::Arguments, setup, step};

/// The help of what is passed on.
pub(crate) const PASSED_ON: &str =
    "Handed to the bench as they are; `cargo xtask bench -- --help` lists them";

/// Sets up, builds, and becomes the bench.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut bench = arguments.prepare("bench", "enforcer-bench")?;
    // What is missing has a column that says so; the others are measured.
    if let Err(error) = setup::for_bench() {
        step::complain(&error);
    }
    let error = bench.args(&arguments.passed_on).exec();
    Err(error).with_context(|| format!("start {}", bench.get_program().display()))
}
