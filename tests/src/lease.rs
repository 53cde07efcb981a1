//! Directories that tell whether whoever made them still lives.
//!
//! The maker holds a lock on the directory. The kernel gives the lock back when the maker ends,
//! however it ends, so a directory that can be locked is an abandoned one. Process ids could not
//! say that: they are used again, and mean nothing in another process namespace.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;

/// What all names begin with.
pub const PREFIX: &str = "enforcer-rig.";

/// How often a sweep can come in between.
const ATTEMPTS: usize = 16;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory in use for as long as this lives. It is not removed on drop: only its user knows
/// what is in it.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    _lock: File,
}

impl Lease {
    /// Makes a directory with a name of its own.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn make(parent: &Path) -> anyhow::Result<Self> {
        Self::make_with_end(parent, "")
    }

    /// Makes a directory with a name of its own and this end.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn make_with_end(parent: &Path, end: &str) -> anyhow::Result<Self> {
        for _ in 0..ATTEMPTS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}.{number}{end}", process::id()));
            fs::create_dir(&path).with_context(|| format!("make directory {}", path.display()))?;
            // Until it is locked it looks abandoned, and a sweep may take it away.
            match Self::take(&path) {
                Ok(Some(lease)) if path.exists() => return Ok(lease),
                Ok(_) | Err(_) => {}
            }
        }
        anyhow::bail!("make and lock a directory in {}: others removed each", parent.display())
    }

    /// Those below `parent` whose makers have ended.
    pub fn abandoned(parent: &Path) -> Vec<Self> {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| Self::take(&entry.path()).ok().flatten())
            .collect()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn take(path: &Path) -> anyhow::Result<Option<Self>> {
        let lock = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(lock.try_lock().is_ok().then(|| Self { path: path.to_owned(), _lock: lock }))
    }
}
