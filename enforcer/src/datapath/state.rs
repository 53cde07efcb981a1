//! Maps that outlive a start: what was learned, what is under way, what was counted. All others say
//! what one policy means to one start's programs, and each start fills its own.

use std::fs;

use aya::maps::MapInfo;
use aya_obj::{Map, Object};
use enforcer_common::abi::HANDED_ON;

use super::{DatapathError, load::OBJECT, pin::Instance, preflight::kernel_release};

/// What the kernel and the programs must agree on about a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    /// Most entries.
    pub(super) entries: u32,
}

impl Shape {
    /// As the programs want it.
    fn wanted(map: &Map) -> Self {
        Self {
            kind: map.map_type(),
            key_bytes: map.key_size(),
            value_bytes: map.value_size(),
            entries: map.max_entries(),
        }
    }

    /// As a pinned one has it.
    pub(super) fn found(instance: &Instance, name: &str) -> Result<Self, DatapathError> {
        let path = instance.map(name);
        fs::symlink_metadata(&path).map_err(DatapathError::pin("open the pin", &path))?;
        let foreign = |why: String| DatapathError::Foreign { path: path.clone(), why };
        let info = MapInfo::from_pin(&path).map_err(|error| foreign(error.to_string()))?;
        let kind = info.map_type().map_err(|error| foreign(error.to_string()))?;
        Ok(Self {
            kind: kind as u32,
            key_bytes: info.key_size(),
            value_bytes: info.value_size(),
            entries: info.max_entries(),
        })
    }

    /// Whether entries of the one are entries of the other.
    pub(super) const fn holds_the_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.key_bytes == other.key_bytes
            && self.value_bytes == other.value_bytes
    }
}

/// Checks that what is pinned is what a start of this layout has pinned there.
///
/// # Errors
///
/// [`DatapathError::Foreign`].
pub(super) fn check(instance: &Instance) -> Result<(), DatapathError> {
    let object = Object::parse(OBJECT).map_err(|source| DatapathError::Load {
        kernel: kernel_release(),
        source: Box::new(source.into()),
    })?;
    for (name, map) in object.maps.iter().filter(|(name, _)| !name.starts_with('.')) {
        let (wanted, found) = (Shape::wanted(map), Shape::found(instance, name)?);
        if !found.holds_the_same(&wanted) {
            return Err(DatapathError::Foreign {
                path: instance.map(name),
                why: format!("it is a map of another kind ({found:?}, and {wanted:?} is ours)"),
            });
        }
    }
    Ok(())
}

/// The names of all maps that are handed on.
pub(super) fn all() -> Vec<&'static str> {
    HANDED_ON.iter().map(|(name, _)| *name).collect()
}

/// Gives a start maps of another.
pub(super) fn hand_on(names: &[&str], from: &Instance, to: &Instance) -> Result<(), DatapathError> {
    for name in names {
        let path = to.map(name);
        fs::hard_link(from.map(name), &path).map_err(DatapathError::pin("pin again", path))?;
    }
    Ok(())
}
