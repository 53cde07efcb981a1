//! What needs no building, and the sums of all.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{Dist, VERSION};
use crate::step;

/// From the repository, and how each is called among the rest.
const FILES: [(&str, &str); 5] = [
    ("deploy/kubernetes/install.yaml", "install.yaml"),
    ("deploy/prometheus/alerts.yaml", "prometheus-alerts.yaml"),
    ("deploy/prometheus/recording.yaml", "prometheus-recording.yaml"),
    ("deploy/prometheus/prometheusrule.yaml", "prometheusrule.yaml"),
    ("deploy/grafana/enforcer.json", "grafana-dashboard.json"),
];
const SUMS: &str = "SHA256SUMS";

/// Copies them, and packs the folders of manifests.
pub(super) fn copy(dist: &Dist) -> Result<()> {
    let root = step::root();
    for (from, to) in FILES {
        fs::copy(root.join(from), dist.folder.join(to)).with_context(|| format!("copy {from}"))?;
    }
    pack(dist, "deploy/helm", "enforcer", &format!("enforcer-{VERSION}.tgz"))?;
    pack(dist, "deploy", "kubernetes", &format!("enforcer-{VERSION}-kubernetes.tar.gz"))
}

/// Packs a folder, the same way each time.
fn pack(dist: &Dist, above: &str, folder: &str, to: &str) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{}", dist.time())).arg("--file").arg(dist.folder.join(to));
    step::run_quietly(tar.arg("--directory").arg(step::root().join(above)).arg(folder))
}

/// Writes the sums, and gives each file with its size.
pub(super) fn sum(dist: &Dist) -> Result<Vec<(String, u64)>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(&dist.folder).context("list dist/")? {
        let entry = entry.context("list dist/")?;
        let bytes = entry.metadata().context("look at a file of dist/")?.len();
        listed.push((entry.file_name().to_string_lossy().into_owned(), bytes));
    }
    listed.sort_unstable();
    let mut sha256sum = Command::new("sha256sum");
    sha256sum.current_dir(&dist.folder).args(listed.iter().map(|(name, _)| Path::new(name)));
    let output = sha256sum.output().context("run sha256sum")?;
    if !output.status.success() {
        bail!("run sha256sum: {}", String::from_utf8_lossy(&output.stderr));
    }
    let bytes = output.stdout.len() as u64;
    fs::write(dist.folder.join(SUMS), output.stdout).context("write the sums")?;
    listed.push((SUMS.to_owned(), bytes));
    Ok(listed)
}
