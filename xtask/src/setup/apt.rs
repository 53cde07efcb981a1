//! Debian's package manager, where there is one and we may use it.

use std::process::Command;

use anyhow::Result;

use crate::{privilege, step, toolchain};

/// Whether packages can be installed: apt is there, and we are root.
pub(super) fn is_usable() -> bool {
    privilege::is_root() && toolchain::on_path("apt-get").is_some()
}

/// Fetches the package lists; a fresh machine has none.
pub(super) fn update() -> Result<()> {
    step::say("apt-get update");
    step::run_quietly(apt_get().arg("update"))
}

/// Whether the lists hold every one of these packages.
pub(super) fn offers(packages: &[&str]) -> bool {
    // A package without a candidate makes the simulation fail.
    step::succeeds(apt_get().args(["install", "--simulate"]).args(packages))
}

/// Installs packages, without those that are merely recommended.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    step::say(&format!("apt-get install {}", packages.join(" ")));
    step::run_quietly(
        apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages),
    )
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
