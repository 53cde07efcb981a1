//! `cargo xtask vm`: the program and end-to-end tiers on each kernel of a matrix.
//!
//! A machine is an emulator, one of Debian's kernels, and a file system in memory that holds the
//! test programs and nothing that is not needed. It knows no network and no disk. The surprising
//! thing: nothing is believed for want of a complaint. The tests that a machine must run are
//! listed here and asked for by name, and each has to be heard to pass; and the machine has to
//! end with an exit code that no crash has.

mod cpio;
mod fetch;
mod image;
mod machine;
mod mirror;
mod modules;
mod payload;
mod report;
mod said;
mod scope;

use std::fs;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use self::{
    fetch::Kernel,
    image::{Image, Run},
    payload::{Payload, Tier},
    report::Row,
};
use crate::{
    build::{self, Profile},
    setup, step,
    tally::Tally,
};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Runs on this kernel only, such as 5.10; more than one can be given
    #[arg(long = "kernel", value_name = "VERSION", value_parser = version)]
    kernels: Vec<String>,
    /// Runs one tier only
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    #[command(flatten)]
    profile: Profile,
    /// Runs only the tests whose name contains one of these
    filters: Vec<String>,
}

/// Brings the emulator and every kernel of the matrix.
pub(crate) fn prepare() -> Result<()> {
    setup::for_machines()?;
    fetch::ensure(&fetch::MATRIX.map(str::to_owned)).map(drop)
}

/// What a gate has time for: an emulated machine's verifier takes up to a minute for the programs,
/// and each of these tests loads them once.
const SMOKE: [&str; 5] = [
    "load::",
    "malformed::",
    "judges_by_destination",
    "leaves_no_trace_of_the_old",
    "later_fragments",
];

/// The kernel programs on every kernel, each kind of test once.
pub(crate) fn smoke() -> Result<Tally> {
    let filters = SMOKE.map(str::to_owned).into();
    run(&Arguments { tier: Some(Tier::Program), filters, ..Arguments::default() })
}

/// Sets up, builds, runs each kernel, and shows the table.
#[expect(clippy::print_stdout, reason = "the table is the verb's answer")]
pub(crate) fn run(arguments: &Arguments) -> Result<Tally> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("run `cargo xtask vm`: its kernels and programs are for x86-64 only");
    }
    setup::for_machines()?;
    let kernels = match arguments.kernels.as_slice() {
        [] => fetch::ensure(&fetch::MATRIX.map(str::to_owned))?,
        asked => fetch::ensure(asked)?,
    };
    let tiers = arguments.tier.map_or_else(|| Tier::value_variants().to_vec(), |tier| vec![tier]);
    let folder = build::target_directory()?.join("vm");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let payload = Payload::build(arguments.profile, &tiers, &arguments.filters)?;
    let mut filters = arguments.filters.iter();
    if let Some(filter) = filters.find(|filter| !payload.has(filter)) {
        bail!("find a test whose name contains `{filter}`: there is none");
    }
    let image = Image::new(&payload)?;
    let mut rows = Vec::new();
    for kernel in &kernels {
        rows.extend(try_out(kernel, &payload, &image, &folder)?);
    }
    if rows.is_empty() {
        bail!("run `cargo xtask vm`: none of the tests asked for applies to these kernels");
    }
    println!("\n{}", report::table(&rows));
    let mut tally = Tally::default();
    for row in &rows {
        tally += row.tally();
    }
    Ok(tally)
}

/// Runs the tests that apply on one kernel, and says what came of it; `None` if there are none.
fn try_out(
    kernel: &Kernel,
    payload: &Payload,
    image: &Image,
    folder: &std::path::Path,
) -> Result<Option<Row>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for suite in &payload.suites {
        let mut tests = Vec::new();
        for test in &suite.tests {
            match scope::not_applicable(test, kernel.numbers()) {
                Some(reason) => step::say(&format!(
                    "{}: not applicable: {} {test}: {reason}",
                    kernel.version, suite.tier
                )),
                None => tests.push(test.as_str()),
            }
        }
        // Without a name libtest would run them all.
        if !tests.is_empty() {
            runs.push((suite.tier, &suite.program, tests));
        }
    }
    if runs.is_empty() {
        return Ok(None);
    }
    let initrd = folder.join(format!("{}.cpio", kernel.version));
    let log = folder.join(format!("{}.log", kernel.version));
    image.write(kernel, &runs, &initrd)?;
    step::say(&format!("boot {}; its tests print to {}", kernel.release, log.display()));
    let boots = kernel.image().context("find the kernel's image")?;
    let ended = machine::run(&boots, &initrd, &log)?;
    fs::remove_file(&initrd).with_context(|| format!("remove {}", initrd.display()))?;
    let asked: Vec<_> = runs.into_iter().map(|(tier, _, tests)| (tier, tests)).collect();
    let row = Row::judge(&kernel.release, &ended, &asked);
    for failure in ended.said.failures() {
        step::say(&format!("{}: {failure}", kernel.version));
    }
    for fault in &row.faults {
        step::say(&format!("{}: {fault}", kernel.version));
    }
    step::say(&format!("{}: {} in {} s", kernel.version, row.tally().counts(), row.took.as_secs()));
    Ok(Some(row))
}

fn version(text: &str) -> Result<String, String> {
    fetch::parse(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| format!("write two numbers, such as {}", fetch::MATRIX.join(", ")))
}
