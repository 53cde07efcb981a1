//! Cgroups below the v2 root, never the root itself.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{lease::Lease, wait};

/// How long killed members may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cgroup. On drop its members are killed, and it is removed with its children.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    root: PathBuf,
    /// Only of a cgroup directly below the root.
    _lease: Option<Lease>,
}

impl Cgroup {
    /// Makes a child of the root of the v2 hierarchy: a slice, as the service manager's are.
    ///
    /// # Errors
    ///
    /// No v2 hierarchy, or what the kernel refused.
    pub fn make() -> anyhow::Result<Self> {
        let root = root().context("find a cgroup2 mount in /proc/self/mounts")?;
        let lease = Lease::make_with_end(&root, ".slice")?;
        Ok(Self { path: lease.path().to_owned(), root, _lease: Some(lease) })
    }

    /// Makes a child of this one.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn child(&self, name: &str) -> anyhow::Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("make cgroup {}", path.display()))?;
        Ok(Self { path, root: self.root.clone(), _lease: None })
    }

    /// Removes what ended processes left, their children included.
    pub fn sweep() {
        let Some(root) = root() else { return };
        for lease in Lease::abandoned(&root) {
            remove(lease.path());
        }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path as a policy names it: from the v2 root, with a slash in front.
    pub fn policy_path(&self) -> String {
        let below = self.path.strip_prefix(&self.root).unwrap_or(&self.path);
        format!("/{}", below.display())
    }

    /// The processes in it, children's not included.
    pub fn members(&self) -> Vec<u32> {
        members(&self.path)
    }
}

/// Moves the calling process into a cgroup.
///
/// # Errors
///
/// What the kernel refused.
pub fn join(path: &Path) -> anyhow::Result<()> {
    // The kernel takes 0 for whoever writes it (Documentation/admin-guide/cgroup-v2.rst).
    fs::write(path.join("cgroup.procs"), "0")
        .with_context(|| format!("join cgroup {}", path.display()))
}

/// Where the v2 hierarchy is mounted: `/sys/fs/cgroup`, or elsewhere on a hybrid host.
pub fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (target, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(target))
    })
}

/// Kills the members of a cgroup that [`Cgroup::make`] made, and removes it with its children;
/// what is gone is no failure.
pub fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // A member may be forking, so killing is repeated. What cannot be removed, the next sweep tries.
    drop(wait::until_true("the cgroup to be empty", PATIENCE, || {
        for pid in members(path) {
            if let Ok(pid) = i32::try_from(pid) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        fs::remove_dir(path).is_ok() || !path.exists()
    }));
}

fn members(path: &Path) -> Vec<u32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    // A member of another process namespace reads as 0, which would be everyone to `kill`.
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}
