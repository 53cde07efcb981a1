//! Pinned maps whose keys and values this version knows as bytes only.

use std::{fs, io, os::fd::AsFd as _, os::fd::OwnedFd, path::Path};

use aya::{maps::MapInfo, util::nr_cpus};

use super::{DatapathError, sys};

/// What becomes of an entry that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// It stays.
    New,
    /// It is written over.
    Over,
}

/// A map of bytes.
pub(super) struct RawMap {
    fd: OwnedFd,
    name: String,
    /// Bytes of a key.
    pub(super) key_bytes: usize,
    /// Bytes of one value, without padding.
    pub(super) value_bytes: usize,
    /// How many values there are for a key, and how far apart: one for each processor.
    pub(super) copies: usize,
    entries: usize,
}

impl RawMap {
    /// Bytes from one processor's value to the next (`round_up(value_size, 8)`,
    /// `bpf_map_value_size`, kernel/bpf/syscall.c, 6.18).
    pub(super) const fn stride(&self) -> usize {
        if self.copies == 1 { self.value_bytes } else { self.value_bytes.next_multiple_of(8) }
    }

    /// Opens a pin.
    pub(super) fn open(pin: &Path) -> Result<Self, DatapathError> {
        fs::symlink_metadata(pin).map_err(DatapathError::pin("open the pin", pin))?;
        let foreign = |why: String| DatapathError::Foreign { path: pin.to_owned(), why };
        let info = MapInfo::from_pin(pin).map_err(|error| foreign(error.to_string()))?;
        let kind = info.map_type().map_err(|error| foreign(error.to_string()))?;
        let is_per_cpu = matches!(
            kind,
            aya::maps::MapType::PerCpuArray
                | aya::maps::MapType::PerCpuHash
                | aya::maps::MapType::LruPerCpuHash
        );
        let copies = if is_per_cpu {
            nr_cpus().map_err(|(what, source)| DatapathError::pin(what, pin)(source))?
        } else {
            1
        };
        Ok(Self {
            fd: sys::open(pin).map_err(DatapathError::pin("open the pin", pin))?,
            name: pin.display().to_string(),
            key_bytes: info.key_size() as usize,
            value_bytes: info.value_size() as usize,
            copies,
            entries: info.max_entries() as usize,
        })
    }

    /// Every key with its value, or its values; one that moves meanwhile may be met twice, or not.
    pub(super) fn for_each(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), DatapathError>,
    ) -> Result<(), DatapathError> {
        let failed = |source| DatapathError::pin("read the map", &self.name)(source);
        let mut key: Option<Vec<u8>> = None;
        let mut value = vec![0; self.stride() * self.copies];
        // A key that is removed while it is the last one seen begins the walk anew.
        for _ in 0..self.entries.saturating_mul(2) {
            let mut next = vec![0; self.key_bytes];
            if !sys::next_key(self.fd.as_fd(), key.as_deref(), &mut next).map_err(failed)? {
                return Ok(());
            }
            if sys::look_up(self.fd.as_fd(), &next, &mut value).map_err(failed)? {
                visit(&next, &value)?;
            }
            key = Some(next);
        }
        Ok(())
    }

    /// Writes an entry.
    pub(super) fn write(
        &self,
        key: &[u8],
        value: &[u8],
        write: Write,
    ) -> Result<(), DatapathError> {
        match sys::insert(self.fd.as_fd(), key, value, write == Write::New) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(DatapathError::pin("write the map", &self.name)),
        }
    }
}
