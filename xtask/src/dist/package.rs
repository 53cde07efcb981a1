//! The Debian package: the program, its units, manual pages, completions, a policy that only counts.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Dist, VERSION};
use crate::step;

const UNITS: [&str; 2] = ["enforcer.service", "enforcer-deny.service"];
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/enforcer"),
    ("zsh", "usr/share/zsh/vendor-completions/_enforcer"),
    ("fish", "usr/share/fish/vendor_completions.d/enforcer.fish"),
];

/// Builds it.
pub(super) fn build(dist: &Dist, binary: &Path) -> Result<()> {
    step::say("the package");
    let tree = Tree(dist.work.join("package"));
    tree.copy(binary, "usr/bin/enforcer", 0o755)?;
    let deploy = step::root().join("deploy");
    for unit in UNITS {
        let to = format!("lib/systemd/system/{unit}");
        tree.copy(&deploy.join("systemd").join(unit), &to, 0o644)?;
    }
    // Readable by root alone: it tells what the host is for.
    tree.copy(&deploy.join("debian/policy.yaml"), "etc/enforcer/policy.yaml", 0o640)?;
    tree.copy(&deploy.join("debian/default"), "etc/default/enforcer", 0o644)?;
    write_manual(&tree, binary)?;
    for (shell, to) in SHELLS {
        let said = Command::new(binary).args(["completion", shell]).output()?;
        tree.write(to, &said.stdout, 0o644)?;
    }
    write_papers(&tree)?;
    write_control(&tree, &deploy.join("debian"))?;
    let package = dist.folder.join(format!("enforcer_{VERSION}_amd64.deb"));
    let mut dpkg = Command::new("dpkg-deb");
    // The programs of older hosts cannot unpack what newer ones make by default.
    dpkg.args(["--build", "--root-owner-group", "-Zxz"]).env("SOURCE_DATE_EPOCH", dist.time());
    step::run_quietly(dpkg.arg(&tree.0).arg(&package))
}

/// A page for each verb.
fn write_manual(tree: &Tree, binary: &Path) -> Result<()> {
    let folder = tree.folder("usr/share/man/man1")?;
    step::run_quietly(Command::new(binary).args(["man", "--directory"]).arg(&folder))?;
    for page in fs::read_dir(&folder).context("list the manual pages")? {
        compress(&page.context("list the manual pages")?.path())?;
    }
    Ok(())
}

/// What Debian wants to know of every package (policy manual, 12.5 and 12.7).
fn write_papers(tree: &Tree) -> Result<()> {
    let root = step::root();
    let read =
        |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("read {name}"));
    let copyright = format!(
        "enforcer\nSource: {}\n\nThe agent: Apache-2.0 or MIT. The kernel programs in it: MIT or \
         GPL-2.0-only.\nApache-2.0 and GPL-2 are in /usr/share/common-licenses.\n\n{}",
        env!("CARGO_PKG_REPOSITORY"),
        read("LICENSE-MIT")?
    );
    tree.write("usr/share/doc/enforcer/copyright", copyright.as_bytes(), 0o644)?;
    let changes =
        tree.write("usr/share/doc/enforcer/changelog", read("CHANGELOG.md")?.as_bytes(), 0o644)?;
    compress(&changes)
}

fn write_control(tree: &Tree, from: &Path) -> Result<()> {
    let mut du = Command::new("du");
    du.args(["--summarize", "--apparent-size", "--block-size=1024"]).arg(&tree.0);
    let size = du.output().context("measure the package")?;
    let size = String::from_utf8_lossy(&size.stdout);
    let control = fs::read_to_string(from.join("control")).context("read deploy/debian/control")?;
    let control = control
        .replace("@VERSION@", VERSION)
        .replace("@HOMEPAGE@", env!("CARGO_PKG_REPOSITORY"))
        .replace("@SIZE@", size.split_whitespace().next().unwrap_or("0"));
    tree.write("DEBIAN/control", control.as_bytes(), 0o644)?;
    tree.copy(&from.join("conffiles"), "DEBIAN/conffiles", 0o644)?;
    for script in SCRIPTS {
        tree.copy(&from.join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    Ok(())
}

fn compress(path: &Path) -> Result<()> {
    // Without a time inside.
    step::run_quietly(Command::new("gzip").args(["--best", "--no-name"]).arg(path))
}

/// The files as they will lie on the host.
struct Tree(PathBuf);

impl Tree {
    fn folder(&self, path: &str) -> Result<PathBuf> {
        let mut folder = self.0.clone();
        for part in Path::new(path) {
            folder.push(part);
            if !folder.is_dir() {
                fs::create_dir_all(&folder)
                    .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)))
                    .with_context(|| format!("make {}", folder.display()))?;
            }
        }
        Ok(folder)
    }

    fn copy(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        self.write(to, &bytes, mode).map(drop)
    }

    fn write(&self, to: &str, bytes: &[u8], mode: u32) -> Result<PathBuf> {
        let (folder, name) = to.rsplit_once('/').unwrap_or(("", to));
        let path = self.folder(folder)?.join(name);
        fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}
