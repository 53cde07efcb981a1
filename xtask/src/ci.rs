//! `cargo xtask ci`: the gate that a change has to pass.
//!
//! All of it compiles in one profile, so that the dependencies are compiled once for the lints and
//! once for everything that runs.

mod kernel;
mod licences;

use std::process::Command;

use anyhow::Result;

use crate::{
    bench,
    build::{HOST_PACKAGES, Profile},
    demo, privilege, setup, step,
    tally::Tally,
    test, vm,
};

/// Runs every gate, also after one has failed.
pub(crate) fn run() -> Result<Tally> {
    privilege::require("ci", "the tests load programs into the kernel, and none may be skipped")?;
    setup::run()?;
    bring_components()?;
    let mut tally = Tally::default();
    tally += gate("format", format());
    tally += gate("lints of the host's packages", lint_host());
    tally += gate("lints of the kernel programs", kernel::lint());
    tally += licences::check();
    step::say("tests");
    tally += test::run(&test::Arguments::strict()).unwrap_or_else(|error| failed("tests", &error));
    step::say("kernel programs on other kernels");
    tally += vm::smoke().unwrap_or_else(|error| failed("other kernels", &error));
    tally += gate("demo", demo::run_built(Profile::default()));
    step::say("what the programs alone take, for who reads it: times are no gate");
    if let Err(error) = bench::show_programs(Profile::default()) {
        step::complain(&error);
    }
    Ok(tally)
}

/// Counts a gate as one test.
fn gate(name: &str, outcome: Result<()>) -> Tally {
    match outcome {
        Ok(()) => {
            step::say(&format!("{name}: ok"));
            Tally::PASS
        }
        Err(error) => failed(name, &error),
    }
}

fn failed(name: &str, error: &anyhow::Error) -> Tally {
    step::complain(error);
    step::say(&format!("{name}: failed"));
    Tally::FAIL
}

fn format() -> Result<()> {
    step::run(step::cargo().args(["fmt", "--all", "--check"]))
}

fn lint_host() -> Result<()> {
    let mut clippy = step::cargo();
    clippy.arg("clippy").args(HOST_PACKAGES).args(["--all-targets", "--", "-Dwarnings"]);
    step::run(&mut clippy)
}

/// A minimal toolchain has neither formatter nor lints.
fn bring_components() -> Result<()> {
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !step::succeeds(step::cargo().args([verb, "--version"])) {
            step::say(&format!("rustup component add {component}"));
            step::run_quietly(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}
