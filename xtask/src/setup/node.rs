//! The schemas of the Prometheus operator's resources, from npm.

use std::process::Command;

use anyhow::Result;

use super::packages;
use crate::step;

const PACKAGES: [&str; 1] = ["@kubernetes-models/prometheus-operator@6.0.0"];

/// Installs the packages, unless they are there already.
pub(super) fn ensure() -> Result<()> {
    packages::ensure("node", &PACKAGES, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]);
        step::run_quietly(npm.arg("--prefix").arg(folder).args(PACKAGES))
    })
}
