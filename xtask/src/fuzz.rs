//! `cargo xtask fuzz`: the fuzz targets, from the committed corpus on.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{build, step};

/// As in `tests/fuzz/Cargo.toml`.
const TARGETS: [&str; 3] = ["dns_answer", "dns_question", "dns_stream"];
/// Longest input: as long as the longest message that is walked.
const MOST_BYTES: u32 = 4_096;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long in all
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

/// Runs each target for its share of the time; what libFuzzer finds on the way is kept beside the
/// compiled targets, and only what is worth it goes into the corpus by hand.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if step::succeeds(nightly().args(["fuzz", "--version"])) {
        return TARGETS.iter().try_for_each(|target| guided(target, arguments.seconds));
    }
    step::say(
        "no nightly cargo with cargo-fuzz: the corpus is damaged without looking at coverage",
    );
    let mut plain = step::cargo();
    plain
        .args(["run", "--quiet", "--locked", "--release", "--bin=enforcer-fuzz"])
        .arg("--manifest-path=tests/fuzz/Cargo.toml")
        .arg("--")
        .arg(arguments.seconds.to_string())
        .env("CARGO_TARGET_DIR", target_directory()?);
    step::run(&mut plain)
}

/// One target by cargo-fuzz.
fn guided(target: &str, seconds: u64) -> Result<()> {
    let directory = target_directory()?;
    let found = directory.join("found").join(target);
    fs::create_dir_all(&found).with_context(|| format!("make the folder {}", found.display()))?;
    let share = (seconds / TARGETS.len() as u64).max(1);
    let mut fuzz = nightly();
    fuzz.args(["fuzz", "run", "--fuzz-dir=tests/fuzz", "--features=libfuzzer", target])
        .arg(found)
        .arg(format!("tests/fuzz/corpus/{target}"))
        .arg("--")
        .arg(format!("-max_total_time={share}"))
        .arg(format!("-max_len={MOST_BYTES}"))
        .env("CARGO_TARGET_DIR", directory);
    step::say(&format!("{target} for {share} s"));
    step::run(&mut fuzz)
}

/// The sanitizers want a nightly compiler, whatever runs this program.
fn nightly() -> Command {
    let mut command = Command::new("cargo");
    // Set by the cargo that runs this program, for its own compiler.
    command.current_dir(step::root()).env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO");
    command
}

/// Beside what the workspace compiles, and not in its way.
fn target_directory() -> Result<PathBuf> {
    Ok(build::target_directory()?.join("fuzz"))
}
