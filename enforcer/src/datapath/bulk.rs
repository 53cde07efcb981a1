//! Many entries into a map with few calls.
//!
//! The surprising thing: what a batch fails with is never believed. The entry at which it stopped
//! is written once more by itself, and what the kernel says of that one counts. So a kernel
//! without batches for a kind of map, one that has no memory at that moment and a map that
//! is full are all told apart by an ordinary update, in its words.

use std::{
    ops::{Deref, DerefMut},
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Pod,
    maps::{HashMap, LpmTrie, MapData, MapError, lpm_trie::Key},
};

use super::{
    DatapathError,
    maps::removed,
    sys::{self, Stopped},
};

/// Entries of a batch: some 80 KiB of keys and values, which stay in the caches.
const AT_ONCE: usize = 1_024;
/// The kernel has no batches for such a map: `ENOTSUPP`, of its own (include/linux/errno.h), or
/// does not know the command.
const UNSUPPORTED: [i32; 3] = [524, nix::libc::EOPNOTSUPP, nix::libc::EINVAL];

/// A map whose entries are written and removed one by one.
pub(super) trait Entries {
    type Key: Pod;
    type Value: Pod;

    fn write_one(&mut self, key: &Self::Key, value: &Self::Value) -> Result<(), MapError>;
    fn remove_one(&mut self, key: &Self::Key) -> Result<(), MapError>;
}

impl<K: Pod, V: Pod> Entries for HashMap<MapData, K, V> {
    type Key = K;
    type Value = V;

    fn write_one(&mut self, key: &K, value: &V) -> Result<(), MapError> {
        self.insert(key, value, 0)
    }

    fn remove_one(&mut self, key: &K) -> Result<(), MapError> {
        self.remove(key)
    }
}

impl<K: Pod, V: Pod> Entries for LpmTrie<MapData, K, V> {
    type Key = Key<K>;
    type Value = V;

    fn write_one(&mut self, key: &Key<K>, value: &V) -> Result<(), MapError> {
        self.insert(key, value, 0)
    }

    fn remove_one(&mut self, key: &Key<K>) -> Result<(), MapError> {
        self.remove(key)
    }
}

/// A map that takes many entries at once, where the kernel can.
pub(super) struct Bulk<M> {
    map: M,
    fd: OwnedFd,
    name: &'static str,
}

impl<M> Bulk<M> {
    /// `fd` is of the same map.
    pub(super) fn new(map: M, fd: OwnedFd, name: &'static str) -> Self {
        Self { map, fd, name }
    }
}

impl<M: Entries> Bulk<M> {
    /// Writes entries, in their order.
    ///
    /// # Errors
    ///
    /// What the kernel says of the first that cannot be written; those before it are.
    pub(super) fn write_all(
        &mut self,
        entries: impl IntoIterator<Item = (M::Key, M::Value)>,
    ) -> Result<(), DatapathError> {
        let Self { map, fd, name } = self;
        let mut entries = entries.into_iter();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut has_batches = true;
        loop {
            keys.clear();
            values.clear();
            for (key, value) in entries.by_ref().take(AT_ONCE) {
                keys.push(key);
                values.push(value);
            }
            if keys.is_empty() {
                return Ok(());
            }
            let rest = |from: usize| {
                let (keys, values) = (keys.get(from..), values.get(from..));
                (keys.unwrap_or_default(), values.unwrap_or_default())
            };
            work_off(
                keys.len(),
                &mut has_batches,
                |from| {
                    let (keys, values) = rest(from);
                    sys::insert_all(fd.as_fd(), keys, values)
                },
                |at| match rest(at) {
                    ([key, ..], [value, ..]) => {
                        map.write_one(key, value).map_err(DatapathError::map("write", name))
                    }
                    _ => Ok(()),
                },
            )?;
        }
    }

    /// Removes entries; one that is gone already is as good as removed.
    ///
    /// # Errors
    ///
    /// What the kernel says of the first that cannot be removed.
    pub(super) fn remove_all(
        &mut self,
        keys: impl IntoIterator<Item = M::Key>,
    ) -> Result<(), DatapathError> {
        let Self { map, fd, name } = self;
        let mut all = keys.into_iter();
        let mut has_batches = true;
        loop {
            let keys: Vec<M::Key> = all.by_ref().take(AT_ONCE).collect();
            if keys.is_empty() {
                return Ok(());
            }
            work_off(
                keys.len(),
                &mut has_batches,
                |from| sys::remove_all(fd.as_fd(), keys.get(from..).unwrap_or_default()),
                |at| keys.get(at).map_or(Ok(()), |key| removed(map.remove_one(key), name)),
            )?;
        }
    }
}

/// Readers look entries up as in any map.
impl<M> Deref for Bulk<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.map
    }
}

impl<M> DerefMut for Bulk<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.map
    }
}

/// Does `count` entries, with `batch` from some entry to the last, and with `one` where that stops.
fn work_off<E>(
    count: usize,
    has_batches: &mut bool,
    mut batch: impl FnMut(usize) -> Result<(), Stopped>,
    mut one: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut done = 0;
    while done < count {
        if *has_batches {
            let Err(stopped) = batch(done) else { return Ok(()) };
            done += stopped.done;
            let number = stopped.error.raw_os_error();
            *has_batches = !number.is_some_and(|number| UNSUPPORTED.contains(&number));
        }
        one(done)?;
        done += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
