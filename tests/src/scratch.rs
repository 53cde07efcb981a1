//! A folder for the files of one test.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{bpffs, lease::Lease};

/// A temporary folder, removed on drop with all that is in it.
#[derive(Debug)]
pub struct Scratch {
    lease: Lease,
}

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn make() -> anyhow::Result<Self> {
        Ok(Self { lease: Lease::make(&env::temp_dir())? })
    }

    /// Removes what ended processes left.
    pub fn sweep() {
        for lease in Lease::abandoned(&env::temp_dir()) {
            remove(lease.path());
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.lease.path()
    }

    /// Writes a file, whole or not at all, as an editor or the kubelet does.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        let draft = self.path().join(format!(".{name}"));
        fs::write(&draft, text).with_context(|| format!("write {}", draft.display()))?;
        fs::rename(&draft, &path).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// Removes a folder that [`Scratch::make`] made; what is gone is no failure.
pub fn remove(path: &Path) {
    bpffs::unmount_below(path);
    // A failure shows in the next sweep, which finds the folder again.
    drop(fs::remove_dir_all(path));
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(self.path());
    }
}
