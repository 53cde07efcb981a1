//! `cargo xtask test`: all tiers, or one, each by cargo's own runner; or a long run.

mod long;

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::{
    build::{self, Profile},
    dist, privilege, setup,
    tally::Tally,
};

#[derive(Debug, Default, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    long: Option<long::Run>,
    /// Runs one tier only
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    #[command(flatten)]
    profile: Profile,
    /// Makes a privileged test that cannot run fail
    #[arg(long)]
    must_run: bool,
    /// Runs only the tests whose name contains it
    filter: Option<OsString>,
}

impl Arguments {
    /// Every tier, where a privileged test that cannot run is a failure.
    pub(crate) fn strict() -> Self {
        Self { must_run: true, ..Self::default() }
    }
}

/// What a test needs, and thereby what it can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Plain functions and the examples in the documentation; needs nothing
    Unit,
    /// The command line against files and pins that are not there; needs nothing
    Cli,
    /// Each kernel program over crafted packets; needs root
    Program,
    /// What the README promises, in network namespaces; needs root
    E2e,
    /// What is shipped: manifests, chart, rules, image, package; needs root
    Deploy,
}

impl Tier {
    const fn needs_root(self) -> bool {
        matches!(self, Self::Program | Self::E2e | Self::Deploy)
    }

    /// The runs of `cargo test` that make up the tier: doc tests do not mix with others.
    const fn runs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Unit => &[&["--lib", "--bins", "--test=dns_differential"], &["--doc"]],
            Self::Cli => &[&["--test=cli"]],
            Self::Program => &[&["--test=programs"]],
            Self::E2e => &[&["--test=e2e"]],
            Self::Deploy => &[&["--test=deploy"]],
        }
    }
}

/// Sets up, builds and runs the tiers that were asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Tally> {
    if let Some(long) = &arguments.long {
        return long.run();
    }
    let tiers = match &arguments.tier {
        Some(tier) => std::slice::from_ref(tier),
        None => Tier::value_variants(),
    };
    if tiers.iter().any(|tier| tier.needs_root()) {
        privilege::require(
            "test",
            "the kernel loads programs for root only; `--tier unit` does without",
        )?;
        setup::run()?;
    }
    if tiers.contains(&Tier::Deploy) {
        setup::for_deploy()?;
        dist::run()?;
    }
    build::everything(arguments.profile)?;
    let mut tally = Tally::default();
    for tier in tiers {
        for run in tier.runs() {
            tally += run_and_count(*tier, run, arguments)?;
        }
    }
    Ok(tally)
}

/// Runs one `cargo test`, shows its output as it comes, and counts.
///
/// Both of its streams are one pipe here: the tests' summaries come on one, and a test that cannot
/// run says so on the other, past libtest's capture.
#[expect(clippy::print_stdout, reason = "hands on what the tests print")]
fn run_and_count(tier: Tier, run: &[&str], arguments: &Arguments) -> Result<Tally> {
    let (output, input) = io::pipe().context("make a pipe for what `cargo test` prints")?;
    let mut child = {
        let mut command = command(tier, run, arguments)?;
        command.stdout(input.try_clone()?).stderr(input);
        command.spawn().context("start `cargo test`")?
        // The command holds the pipe's other end, and would keep it open.
    };
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("read what `cargo test` prints")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.count(&line);
    }
    let status = child.wait().context("wait for `cargo test`")?;
    if !status.success() && !tally.has_failures() {
        // A test program that did not compile, or died, has not said how many failed.
        tally += Tally::FAIL;
    }
    Ok(tally)
}

fn command(tier: Tier, run: &[&str], arguments: &Arguments) -> Result<Command> {
    let mut command = arguments.profile.cargo("test");
    command
        .arg("--no-fail-fast")
        .args(run)
        .args(&arguments.filter)
        .env("ENFORCER_BIN", arguments.profile.program("enforcer")?)
        // A snapshot that differs is a failure, not a file beside it.
        .env("INSTA_UPDATE", "no");
    if tier == Tier::E2e {
        command.env("ENFORCER_OTHER_BIN", arguments.profile.program(build::OTHER_LAYOUT)?);
    }
    if tier == Tier::Deploy {
        command.env("ENFORCER_TOOLS", build::target_directory()?.join("tools"));
    }
    if arguments.must_run {
        command.env("ENFORCER_REQUIRE_PRIVILEGE", "1");
    }
    if tier == Tier::Program {
        // How many instructions the verifier walks is worth seeing when all is well, too.
        command.args(["--", "--show-output"]);
    }
    Ok(command)
}
