//! The schemas of the Prometheus operator's resources, from npm, below the target directory.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{build, step};

const PACKAGES: [&str; 1] = ["@kubernetes-models/prometheus-operator@6.0.0"];

/// Where `node_modules` is.
fn folder() -> Result<PathBuf> {
    Ok(build::target_directory()?.join("tools/node"))
}

/// Installs the packages, unless they are there already.
pub(super) fn ensure() -> Result<()> {
    let folder = folder()?;
    // Written last, so an interrupted installation is begun again.
    let (list, wanted) = (folder.join("packages.txt"), PACKAGES.join("\n"));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step::say(&format!("npm install {} (into {})", PACKAGES.join(" "), folder.display()));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]);
    step::run_quietly(npm.arg("--prefix").arg(&folder).args(PACKAGES))?;
    fs::write(&list, wanted).with_context(|| format!("write {}", list.display()))
}
