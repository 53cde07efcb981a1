//! The program, static and with the list of what it is made of.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{Dist, VERSION};
use crate::{build, step};

/// Named, so that build scripts and macros, which run here, are not made static as well.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds it, and gives where it is.
pub(super) fn build(dist: &Dist) -> Result<PathBuf> {
    step::say("the program, static");
    let mut cargo = step::cargo();
    cargo.args(["auditable", "build", "--release", "--locked", "--target", TARGET]);
    cargo.args(["--package", "enforcer", "--bin", "enforcer"]);
    // The C library's own look-up of names would need its shared parts; the agent has a resolver
    // of its own.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    step::run(&mut cargo)?;
    let built = build::target_directory()?.join(TARGET).join("release/enforcer");
    let kept = dist.folder.join(format!("enforcer-{VERSION}-x86_64-linux"));
    fs::copy(&built, &kept).with_context(|| format!("copy to {}", kept.display()))?;
    Ok(kept)
}

/// Writes the list that cargo has put into the program as a bill of materials (`CycloneDX`).
pub(super) fn list_dependencies(dist: &Dist, binary: &Path) -> Result<()> {
    let output = Command::new("auditable2cdx").arg(binary).output();
    let output = output.context("run auditable2cdx")?;
    if !output.status.success() {
        bail!("run auditable2cdx: {}", String::from_utf8_lossy(&output.stderr));
    }
    let path = dist.folder.join(format!("enforcer-{VERSION}.cdx.json"));
    fs::write(&path, output.stdout).with_context(|| format!("write {}", path.display()))
}
