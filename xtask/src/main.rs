//! Everything that a contributor runs, as `cargo xtask VERB`: one file a verb, no shell.
//!
//! The verbs decide from what they find on the machine, never from a marker that an earlier run
//! has left, so an interrupted run is repaired by the next one.

mod bench;
mod build;
mod ci;
mod demo;
mod dist;
mod fuzz;
mod privilege;
mod program;
mod setup;
mod step;
mod tally;
mod test;
#[cfg(test)]
mod tidy;
#[path = "../../enforcer/build/toolchain.rs"]
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, tests and demonstrates enforcer.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Brings what the machine lacks: an eBPF compiler, bpf-linker, the tools the tests call.
    ///
    /// Says each thing it does in a line, and says nothing when there is nothing to do.
    Setup {
        /// Brings the kernels and the emulator of `vm`, too
        #[arg(long)]
        vm: bool,
    },
    /// Builds the agent with its kernel programs.
    Build(build::Profile),
    /// Shows the main job at work in a world of its own: namespaces, a cgroup, a name server.
    ///
    /// Needs root. Touches neither the host's cgroup root nor its interfaces nor its firewall.
    #[command(mut_arg("passed_on", |it| it.help(demo::PASSED_ON)))]
    Demo(program::Arguments),
    /// Measures what a packet costs, beside an empty program, nftables and ipset, in one run.
    ///
    /// Needs root, and works in namespaces and cgroups of its own, as the demo does.
    Bench(bench::Arguments),
    /// Runs the tests and closes with `N passed, N failed, N skipped`.
    ///
    /// Needs root, unless `--tier unit` or `--tier cli` is asked for.
    Test(test::Arguments),
    /// Runs the program and end-to-end tests on six kernels, 5.10 to 7.3, in an emulator.
    ///
    /// Closes with a table and `N passed, N failed`. Fetches the kernels the first time.
    Vm(vm::Arguments),
    /// Runs the fuzz targets from the committed corpus on.
    ///
    /// With a nightly cargo and cargo-fuzz under libFuzzer; else in a plain loop that damages the
    /// corpus.
    Fuzz(fuzz::Arguments),
    /// Builds what is shipped below `dist/`: program, image, package, manifests, sums.
    Dist,
    /// Runs the gate that a change has to pass: format, lints, licences, all tests, the demo.
    ///
    /// Goes on after a failure, so that one run shows them all. Needs root.
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Setup { vm: false } => setup::run(),
        Verb::Setup { vm: true } => vm::prepare(),
        Verb::Build(profile) => build::run(profile),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Test(arguments) => return tally::close(test::run(&arguments)),
        Verb::Vm(arguments) => return tally::close_in_short(vm::run(&arguments)),
        Verb::Dist => dist::run(),
        Verb::Ci => return tally::close(ci::run()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::complain(&error);
            ExitCode::FAILURE
        }
    }
}
