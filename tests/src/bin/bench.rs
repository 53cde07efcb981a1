//! The program of `cargo xtask bench`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use enforcer_tests::{bench::Bench, privilege};

/// What a packet costs with the enforcer, without it, and with what else there is.
#[derive(Debug, Parser)]
#[command(name = "enforcer-bench", version)]
struct Arguments {
    #[command(flatten)]
    bench: Bench,
    /// How figures are shown
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
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

/// Whether the figures mean something.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(reason) = privilege::missing() {
        anyhow::bail!("run this: {reason}");
    }
    let outcome = arguments.bench.run()?;
    let mut out = io::stdout();
    match arguments.output {
        Output::Text => write!(out, "{outcome}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&outcome)?)?,
    }
    let faults = outcome.faults();
    for fault in &faults {
        writeln!(io::stderr(), "fault: {fault}")?;
    }
    Ok(faults.is_empty())
}
