//! The program of `cargo xtask demo`, and the carrier of the rig's hidden verbs.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use enforcer_tests::{demo::Demo, reexec};

fn main() -> ExitCode {
    let ended = reexec::run_if_asked()
        .and_then(|is_done| if is_done { Ok(ExitCode::SUCCESS) } else { Demo::parse().run() });
    ended.unwrap_or_else(|error| {
        // A closed standard error leaves nobody to tell.
        drop(writeln!(io::stderr(), "error: {error:#}"));
        ExitCode::FAILURE
    })
}
