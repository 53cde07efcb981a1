//! Taking everything out of the kernel: the one way to switch enforcement off.

use std::path::Path;

use aya::maps::{HashMap, MapData};
use enforcer_common::{abi::map, uplink::Uplink};

use super::{
    DatapathError, link,
    maps::Opener,
    pin::{Folder, Instance},
    uplinks::remove_filters,
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
    let removed = remove_all(&folder)?;
    folder.remove()?;
    Ok(removed)
}

/// As [`unload`], but for the folder itself.
pub(super) fn remove_all(folder: &Folder) -> Result<Removed, DatapathError> {
    let mut removed = Removed::default();
    let mut ended = Vec::new();
    for instance in folder.instances()? {
        ended.push(instance.end()?);
    }
    for instance in &ended {
        detach(instance)?;
    }
    for instance in &ended {
        removed.add(remove(instance, None)?);
    }
    folder.remove_links()?;
    Ok(removed)
}

/// Has every hook go at once. What is pinned there and is no link is somebody else's, and goes with
/// the pins.
fn detach(instance: &Instance) -> Result<(), DatapathError> {
    for pin in instance.links()? {
        if link::is_attached(&pin) {
            link::detach(&pin).map_err(DatapathError::pin("detach", pin))?;
        }
    }
    Ok(())
}

/// Removes one start: links first, so that no program is left half supplied. Filters stay that
/// `kept`, another start's map of devices, has.
pub(super) fn remove(
    instance: &Instance,
    kept: Option<&HashMap<MapData, u32, Uplink>>,
) -> Result<Removed, DatapathError> {
    let filters = if instance.map(map::UPLINKS).exists() {
        remove_filters(&Opener { instance, name: map::UPLINKS }.hash()?, None, kept)?
    } else {
        0
    };
    let removed = Removed {
        links: filters + instance.remove_part("links")?,
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
