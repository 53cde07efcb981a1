//! A bpffs of one's own for pins.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A mounted bpffs. Unmounting it on drop takes away every pin in it, and with the pins the links.
#[derive(Debug)]
pub struct Bpffs {
    path: PathBuf,
}

impl Bpffs {
    /// Mounts one at a folder that is made for it.
    ///
    /// # Errors
    ///
    /// What the kernel refused; mounting needs `CAP_SYS_ADMIN`.
    pub fn mount(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir(path).with_context(|| format!("make directory {}", path.display()))?;
        let context = || format!("mount a bpffs at {}", path.display());
        mount(Some("bpf"), path, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
            .with_context(context)?;
        let mounted = Self { path: path.to_owned() };
        // Not to be copied into the mount namespaces of others, where it would live on.
        mount(None::<&str>, path, None::<&str>, MsFlags::MS_PRIVATE, None::<&str>)
            .with_context(context)?;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // The folder above is removed after this and reports what is still in use.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        drop(fs::remove_dir(&self.path));
    }
}

/// Unmounts whatever is mounted below a folder.
pub(crate) fn unmount_below(path: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    for target in targets.filter(|target| target.starts_with(path)) {
        let _ = umount2(target, MntFlags::MNT_DETACH);
    }
}
