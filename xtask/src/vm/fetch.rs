//! Kernels in a cache folder of the user's: fetched once, unpacked, and used from there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::mirror::Mirror;
use crate::step;

/// The kernels that enforcer is tried on: the oldest, those of Debian's releases, the newest.
pub(super) const MATRIX: [&str; 6] = ["5.10", "6.1", "6.12", "6.18", "7.2", "7.3"];

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its first two numbers, as it is asked for.
    pub(super) version: String,
    /// As `uname -r` says it.
    pub(super) release: String,
    root: PathBuf,
}

impl Kernel {
    /// Finds one in the folder that its packages are unpacked to.
    fn find(version: &str, root: &Path) -> Option<Self> {
        let entries = fs::read_dir(root.join("lib/modules")).ok()?;
        let release = entries.flatten().next()?.file_name().to_string_lossy().into_owned();
        let kernel = Self { version: version.to_owned(), release, root: root.to_owned() };
        (kernel.image().is_some() && kernel.modules().join("modules.dep").exists())
            .then_some(kernel)
    }

    /// The file to boot. Its place depends on the kernel's packaging.
    pub(super) fn image(&self) -> Option<PathBuf> {
        let beside = self.modules().join("vmlinuz");
        let below_boot = self.root.join(format!("boot/vmlinuz-{}", self.release));
        [beside, below_boot].into_iter().find(|path| path.is_file())
    }

    /// The folder of its modules.
    pub(super) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// Its version as numbers, to be compared.
    pub(super) fn numbers(&self) -> (u32, u32) {
        parse(&self.version).unwrap_or_default()
    }
}

/// The first two numbers of a version.
pub(super) fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Finds kernels in the cache, and fetches those that are not there.
pub(super) fn ensure(versions: &[String]) -> Result<Vec<Kernel>> {
    let cache = cache_folder()?;
    let mut mirror = None;
    let mut kernels = Vec::new();
    for version in versions {
        let root = cache.join(version);
        if let Some(kernel) = Kernel::find(version, &root) {
            kernels.push(kernel);
            continue;
        }
        let opened = match mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open(&cache.join("apt"))?,
        };
        let fetched = fetch(&opened, version, &root).with_context(|| {
            let by_hand = "or unpack its packages there by hand (`dpkg-deb -x`) and run depmod";
            format!("bring linux {version} into {}, {by_hand}", root.display())
        });
        kernels.push(fetched?);
        mirror = Some(opened);
    }
    Ok(kernels)
}

fn cache_folder() -> Result<PathBuf> {
    let given = env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let cache = given.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let cache = cache.context("find a folder for kernels: set HOME or XDG_CACHE_HOME")?;
    Ok(cache.join("enforcer/kernels"))
}

/// Downloads and unpacks beside the kernel's folder, which appears whole or not at all.
fn fetch(mirror: &Mirror, version: &str, root: &Path) -> Result<Kernel> {
    let [packages, draft] =
        ["packages", "draft"].map(|it| root.with_file_name(format!("{version}.{it}")));
    for folder in [root, &packages, &draft] {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
        }
    }
    let unpacked = unpack(mirror, version, &packages, &draft).and_then(|()| {
        fs::rename(&draft, root).with_context(|| format!("make {}", root.display()))
    });
    // Of a success only the packages are left; what cannot be removed, the next run removes.
    for folder in [&packages, &draft] {
        drop(fs::remove_dir_all(folder));
    }
    unpacked?;
    Kernel::find(version, root).context("find a kernel in its packages")
}

fn unpack(mirror: &Mirror, version: &str, packages: &Path, draft: &Path) -> Result<()> {
    for folder in [packages, draft] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    for package in mirror.download(version, packages)? {
        step::run_quietly(Command::new("dpkg-deb").arg("--extract").arg(package).arg(draft))?;
    }
    index_modules(draft)
}

/// Writes what each module needs, which packages leave to their installation.
fn index_modules(root: &Path) -> Result<()> {
    let modules = root.join("lib/modules");
    if !modules.exists() {
        // Where depmod looks, in the packages of kernels that live below /usr.
        std::os::unix::fs::symlink("usr/lib", root.join("lib"))
            .with_context(|| format!("link {}", root.join("lib").display()))?;
    }
    let entries = fs::read_dir(&modules).with_context(|| format!("read {}", modules.display()))?;
    let Some(release) = entries.flatten().next().map(|entry| entry.file_name()) else {
        bail!("find modules in {}", modules.display());
    };
    let depmod = crate::setup::tools::find("depmod").context("find depmod")?;
    step::run_quietly(Command::new(depmod).arg("--basedir").arg(root).arg(release))
}
