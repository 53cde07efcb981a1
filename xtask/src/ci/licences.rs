//! The licences and sources of what we depend upon, judged by cargo-deny against `deny.toml`.

use anyhow::Result;

use crate::{step, tally::Tally};

const VERSION: &str = "0.20.2";

/// Checks them, or says why not: a checkout without the tool is not a worse one.
pub(super) fn check() -> Tally {
    if let Err(error) = bring() {
        step::complain(&error);
        step::say("licences: skipped, for want of cargo-deny");
        return Tally::SKIP;
    }
    super::gate("licences", deny())
}

/// Its advisories are left out: they change by the day, and a gate must judge the change alone.
fn deny() -> Result<()> {
    step::run(step::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}

fn bring() -> Result<()> {
    if step::succeeds(step::cargo().args(["deny", "--version"])) {
        return Ok(());
    }
    step::say(&format!("cargo install cargo-deny {VERSION} (about two minutes)"));
    step::run_quietly(
        step::cargo().args(["install", "--locked"]).arg(format!("cargo-deny@{VERSION}")),
    )
}
