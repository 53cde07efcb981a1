//! Where things are pinned.
//!
//! ```text
//! BPFFS/                        --bpffs, by default /sys/fs/bpf/enforcer
//!   current -> abi1-19f3c       the start whose programs judge packets
//!   abi1-19f3c/                 layout version, boot time of the start in hexadecimal
//!     maps/ADDRS ...
//!     programs/egress_skb ...
//!     links/cgroup_egress ...
//! ```
//!
//! Names have no dots: bpffs keeps those for itself (kernel/bpf/inode.c, `bpf_lookup`, 6.18).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use enforcer_common::abi::ABI_VERSION;

use super::DatapathError;

const CURRENT: &str = "current";
const NEXT: &str = "next";
/// The end of the name of a start that is being removed.
const ENDED: &str = "-ended";

/// The folder of all starts.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// The folder of one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(PathBuf);

impl Folder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The start whose programs judge packets.
    pub fn current(&self) -> Result<Option<Instance>, DatapathError> {
        let link = self.0.join(CURRENT);
        match fs::read_link(&link) {
            Ok(target) => Ok(Some(Instance(self.0.join(target)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(DatapathError::Foreign { path: link, why: "it is no symbolic link".to_owned() })
            }
            Err(error) => Err(DatapathError::pin("read the link", link)(error)),
        }
    }

    /// Every start that left something behind.
    pub fn instances(&self) -> Result<Vec<Instance>, DatapathError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DatapathError::pin("list", &self.0)(error)),
        };
        let mut instances = Vec::new();
        for entry in entries {
            let entry = entry.map_err(DatapathError::pin("list", &self.0))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name().to_string_lossy().starts_with("abi") {
                instances.push(Instance(entry.path()));
            }
        }
        instances.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(instances)
    }

    /// Makes the folder of a start that begins at this boot time.
    pub fn make_instance(&self, now_ns: u64) -> Result<Instance, DatapathError> {
        let instance = Instance(self.0.join(format!("abi{ABI_VERSION}-{now_ns:x}")));
        fs::create_dir_all(&instance.0)
            .map_err(DatapathError::pin("make the folder", &instance.0))?;
        instance.make_folders()?;
        Ok(instance)
    }

    /// Makes `instance` the current one, in one step.
    pub fn set_current(&self, instance: &Instance) -> Result<(), DatapathError> {
        let name = instance.0.file_name().unwrap_or_default();
        let (next, current) = (self.0.join(NEXT), self.0.join(CURRENT));
        remove_if_there(&next)?;
        std::os::unix::fs::symlink(name, &next).map_err(DatapathError::pin("link", &next))?;
        fs::rename(&next, &current).map_err(DatapathError::pin("rename to", current))
    }

    /// Removes the links to starts.
    pub fn remove_links(&self) -> Result<(), DatapathError> {
        remove_if_there(&self.0.join(CURRENT))?;
        remove_if_there(&self.0.join(NEXT))
    }

    /// Removes the folder where nothing is left in it, and it is no mount.
    pub fn remove(&self) -> Result<(), DatapathError> {
        use io::ErrorKind::{DirectoryNotEmpty, NotFound, ResourceBusy};
        match fs::remove_dir(&self.0) {
            Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty | ResourceBusy) => {
                Err(DatapathError::pin("remove", &self.0)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Instance {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folders in its own, where they are not there; never its own, which `unload` may
    /// have taken away.
    pub fn make_folders(&self) -> Result<(), DatapathError> {
        for part in ["maps", "programs", "links"] {
            let path = self.0.join(part);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(DatapathError::pin("make the folder", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether this agent knows the layout of its maps.
    pub fn is_of_this_abi(&self) -> bool {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("abi{ABI_VERSION}-"))
    }

    /// Whether its removal has begun.
    pub fn is_ended(&self) -> bool {
        self.0.to_string_lossy().ends_with(ENDED)
    }

    /// Where a map is pinned.
    pub fn map(&self, name: &str) -> PathBuf {
        self.0.join("maps").join(name)
    }

    /// Where a program is pinned.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join("programs").join(name)
    }

    /// Where a link is pinned.
    pub fn link(&self, name: &str) -> PathBuf {
        self.0.join("links").join(name)
    }

    /// The pins of links.
    pub fn links(&self) -> Result<Vec<PathBuf>, DatapathError> {
        let folder = self.0.join("links");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DatapathError::pin("list", folder)(error)),
        };
        entries
            .map(|entry| Ok(entry.map_err(DatapathError::pin("list", &folder))?.path()))
            .collect()
    }

    /// Removes one kind of pins (`links`, `programs`, `maps`) and says how many there were.
    pub fn remove_part(&self, part: &str) -> Result<usize, DatapathError> {
        let folder = self.0.join(part);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(DatapathError::pin("list", folder)(error)),
        };
        let mut removed = 0;
        for entry in entries {
            let path = entry.map_err(DatapathError::pin("list", &folder))?.path();
            fs::remove_file(&path).map_err(DatapathError::pin("remove", path))?;
            removed += 1;
        }
        fs::remove_dir(&folder).map_err(DatapathError::pin("remove", folder))?;
        Ok(removed)
    }

    /// Whether its folder is there.
    pub fn is_there(&self) -> Result<bool, DatapathError> {
        self.0.try_exists().map_err(DatapathError::pin("inspect", &self.0))
    }

    /// Gives it another name, in one step: an agent that is alive knows by that that it is to end,
    /// and that nothing is to be put back.
    pub fn end(self) -> Result<Self, DatapathError> {
        if self.is_ended() {
            return Ok(self);
        }
        let mut ended = self.0.clone().into_os_string();
        ended.push(ENDED);
        let ended = PathBuf::from(ended);
        fs::rename(&self.0, &ended).map_err(DatapathError::pin("rename", self.0))?;
        Ok(Self(ended))
    }

    /// Removes the empty folder itself.
    pub fn remove_folder(&self) -> Result<(), DatapathError> {
        fs::remove_dir(&self.0).map_err(DatapathError::pin("remove", &self.0))
    }
}

/// Removes a file that may be gone.
pub(super) fn remove_if_there(path: &Path) -> Result<(), DatapathError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DatapathError::pin("remove", path)(error))
        }
        _ => Ok(()),
    }
}
