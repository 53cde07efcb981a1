//! The folder of pins, held by one agent alone.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use enforcer_common::rule_mask::RuleMask;
use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

use super::{
    DatapathError,
    document::RuleInfo,
    pin::Folder,
    predecessor::{Predecessor, document_of},
    unload::{Removed, remove_all},
};

/// A folder that no other agent can start in, and what earlier starts have left there.
#[derive(Debug)]
pub struct Claim {
    pub(super) folder: Folder,
    pub(super) predecessor: Option<Box<Predecessor>>,
    /// The kernel lets go of it when the process ends, however it ends.
    pub(super) lock: File,
}

impl Claim {
    /// Claims the folder at `bpffs`, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// [`DatapathError::Busy`] where a live agent has it; [`DatapathError::Foreign`] and
    /// [`DatapathError::OtherLayout`] where a start could not tell what it would replace. What is
    /// enforced goes on.
    pub fn take(bpffs: &Path) -> Result<Self, DatapathError> {
        fs::create_dir_all(bpffs).map_err(DatapathError::pin("make the folder", bpffs))?;
        let lock = File::open(bpffs).map_err(DatapathError::pin("open the folder", bpffs))?;
        let folder = Folder::new(bpffs);
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let pid = holder(&lock).or_else(|| document_of(&folder).map(|it| it.agent.pid));
                return Err(DatapathError::Busy { pid, folder: bpffs.to_owned() });
            }
            Err(error) => {
                return Err(DatapathError::pin("lock the folder", bpffs)(error.into()));
            }
        }
        check_owner(bpffs)?;
        for instance in folder.instances()? {
            check_owner(instance.path())?;
        }
        let predecessor = Predecessor::find(&folder)?;
        Ok(Self { folder, predecessor, lock })
    }

    /// The rules that are in force already, with their slots.
    pub fn rules(&self) -> &[RuleInfo] {
        self.predecessor.as_ref().map_or(&[], |it| &it.document.rules)
    }

    /// Slots that must not be given to other rules than theirs: some program at work may let
    /// packets pass by them.
    pub fn occupied(&self) -> RuleMask {
        self.predecessor.as_ref().map_or(RuleMask::EMPTY, |it| it.occupied)
    }

    /// Whether an earlier start's programs judge.
    pub fn is_in_force(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Removes everything that earlier starts left, so that nothing is judged.
    pub fn clear(&mut self) -> Result<Removed, DatapathError> {
        self.predecessor = None;
        remove_all(&self.folder)
    }

    /// Takes nothing over: the next start judges beside what is there until it is ready.
    pub fn forgo(&mut self) {
        self.predecessor = None;
    }
}

/// Whoever else could have made or changed the pins could have put anything into them.
fn check_owner(path: &Path) -> Result<(), DatapathError> {
    /// In such a folder nobody renames or removes what is not his.
    const STICKY: u32 = 0o1000;
    let metadata = fs::metadata(path).map_err(DatapathError::pin("inspect", path))?;
    let is_ours = metadata.uid() == 0 || metadata.uid() == geteuid().as_raw();
    if is_ours && (metadata.mode() & 0o022 == 0 || metadata.mode() & STICKY != 0) {
        return Ok(());
    }
    Err(DatapathError::Foreign {
        path: path.to_owned(),
        why: format!(
            "it belongs to user {} with mode {:o}, where root alone must be able to write",
            metadata.uid(),
            metadata.mode() & 0o7777
        ),
    })
}

/// The process that has the lock, where this process's pid namespace has it (`/proc/locks`,
/// proc(5)).
fn holder(lock: &File) -> Option<u32> {
    let inode = format!(":{}", lock.metadata().ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_else(|error: io::Error| {
        tracing::debug!(%error, "read /proc/locks");
        String::new()
    });
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 708 00:2b:14 0 EOF`
        let mut fields = line.split_whitespace().skip(1);
        let is_flock = fields.next()? == "FLOCK";
        let pid: u32 = fields.nth(2)?.parse().ok()?;
        (is_flock && fields.next()?.ends_with(&inode) && pid != 0).then_some(pid)
    })
}
