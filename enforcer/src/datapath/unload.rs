//! Taking everything out of the kernel: the one way to switch enforcement off.

use std::path::Path;

use super::{
    DatapathError,
    pin::{Folder, Instance},
};

/// How many pins were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Links: hooks that were attached.
    pub links: usize,
    /// Programs.
    pub programs: usize,
    /// Maps.
    pub maps: usize,
}

/// Detaches every hook and removes every pin below `bpffs`, whatever their layout version.
///
/// Does not look for a live agent: its own pins are removed too, and it then has nothing to
/// enforce.
pub fn unload(bpffs: &Path) -> Result<Removed, DatapathError> {
    let folder = Folder::new(bpffs);
    let mut removed = Removed::default();
    for instance in folder.instances()? {
        removed.add(remove(&instance)?);
    }
    folder.remove()?;
    Ok(removed)
}

/// Removes one start: links first, so that no program is left half supplied.
pub(super) fn remove(instance: &Instance) -> Result<Removed, DatapathError> {
    let removed = Removed {
        links: instance.remove_part("links")?,
        programs: instance.remove_part("programs")?,
        maps: instance.remove_part("maps")?,
    };
    instance.remove_folder()?;
    Ok(removed)
}

impl Removed {
    fn add(&mut self, other: Self) {
        self.links += other.links;
        self.programs += other.programs;
        self.maps += other.maps;
    }
}
