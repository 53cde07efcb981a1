//! The container image, made by buildah and kept as an archive of the OCI's layout.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{Dist, VERSION};
use crate::step;

const NAME: &str = "enforcer";
const SOURCE: &str = env!("CARGO_PKG_REPOSITORY");

/// Builds it.
pub(super) fn build(dist: &Dist, binary: &Path) -> Result<()> {
    step::say("the image");
    let context = dist.work.join("image");
    fs::create_dir_all(&context).with_context(|| format!("make {}", context.display()))?;
    fs::copy(binary, context.join("enforcer")).context("copy the program for the image")?;
    let tag = format!("localhost/{NAME}:{VERSION}");
    let mut bud = buildah(dist);
    bud.args(["bud", "--quiet", "--timestamp", &dist.time(), "--tag", &tag]);
    bud.arg("--file").arg(step::root().join("deploy/image/Containerfile"));
    for (label, value) in labels(dist) {
        bud.args(["--label", &format!("org.opencontainers.image.{label}={value}")]);
    }
    step::run_quietly(bud.arg(&context))?;
    let archive = dist.folder.join(format!("{NAME}-{VERSION}-image.tar"));
    let to = format!("oci-archive:{}:{NAME}:{VERSION}", archive.display());
    step::run_quietly(buildah(dist).args(["push", "--quiet", &tag, &to]))
}

/// Without a daemon, and with a store of its own: what else is on the machine stays as it is.
fn buildah(dist: &Dist) -> Command {
    let mut buildah = Command::new("buildah");
    buildah.env("STORAGE_DRIVER", "vfs").env("BUILDAH_ISOLATION", "chroot");
    buildah.arg("--root").arg(dist.work.join("storage"));
    buildah.arg("--runroot").arg(dist.work.join("run"));
    buildah
}

/// The keys that the OCI's image specification names (annotations.md, 1.1).
fn labels(dist: &Dist) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        ("title", NAME.to_owned()),
        ("description", "Node-level egress firewall in Rust and eBPF".to_owned()),
        ("version", VERSION.to_owned()),
        ("source", SOURCE.to_owned()),
        ("licenses", "(Apache-2.0 OR MIT) AND (MIT OR GPL-2.0-only)".to_owned()),
    ];
    if let Some((commit, _)) = &dist.commit {
        labels.push(("revision", commit.clone()));
    }
    labels
}
