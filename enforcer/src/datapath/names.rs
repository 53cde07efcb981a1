//! Names and special addresses in their maps, over a reload.
//!
//! The trie finds one entry for a name, so an entry of either policy hides what the other says of
//! shorter names. Until the flip every entry of either carries what both say; bits of rules that
//! are not active do no harm. Checks are in two banks, as ports are.

use std::{collections::BTreeMap, sync::Arc};

use aya::maps::lpm_trie::Key;
use enforcer_common::{
    abi::{BANKS, MAX_NAME_CHECKS, map},
    dns::name::{NameEntry, NameKey},
};

use super::{
    Datapath, DatapathError,
    maps::{removed, trie_key},
};
use crate::policy::compile::{NameTrie, Prefix, TrieEntry, map_key};

/// The names that maps hold, and in which bank their checks are.
#[derive(Default)]
pub(super) struct AppliedNames {
    trie: Arc<NameTrie>,
    bank: u32,
}

impl AppliedNames {
    pub(super) fn new(trie: Arc<NameTrie>, generation: u64) -> Self {
        Self { trie, bank: bank(generation) }
    }

    fn found(&self, key: &[u8]) -> Option<InBank> {
        self.trie.found(key).map(|entry| InBank { entry, bank: self.bank })
    }
}

/// An entry and the bank of its checks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct InBank {
    entry: TrieEntry,
    bank: u32,
}

impl InBank {
    /// What both say; the checks of `self` where it has any.
    fn with(mut self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        self.entry.exact.unite(&other.entry.exact);
        self.entry.below.unite(&other.entry.below);
        if self.entry.checks == 0 {
            self.bank = other.bank;
            self.entry.checks = other.entry.checks;
            self.entry.first_check = other.entry.first_check;
        }
        self
    }

    fn value(self, key: &[u8]) -> NameEntry {
        NameEntry {
            exact: self.entry.exact,
            below: self.entry.below,
            bytes: u32::try_from(key.len()).unwrap_or(0),
            first_check: self.bank * MAX_NAME_CHECKS + self.entry.first_check,
            checks: self.entry.checks,
            padding: 0,
        }
    }
}

fn bank(generation: u64) -> u32 {
    u32::from(generation % u64::from(BANKS) == 1)
}

impl Datapath {
    /// Writes what the policy in force and the one to come say, and the checks of the latter.
    pub(super) fn write_both_names(
        &mut self,
        trie: &Arc<NameTrie>,
        generation: u64,
    ) -> Result<(), DatapathError> {
        let coming = AppliedNames::new(Arc::clone(trie), generation);
        let first = coming.bank * MAX_NAME_CHECKS;
        for (index, check) in (first..).zip(&trie.checks) {
            self.maps
                .name_checks
                .set(index, check, 0)
                .map_err(DatapathError::map("write", map::NAME_CHECKS))?;
        }
        let old = std::mem::take(&mut self.applied.names);
        let written = self.write_either(&old, &coming);
        self.applied.names = old;
        written
    }

    fn write_either(
        &mut self,
        old: &AppliedNames,
        coming: &AppliedNames,
    ) -> Result<(), DatapathError> {
        let only_old =
            old.trie.entries.keys().filter(|key| !coming.trie.entries.contains_key(*key));
        for key in coming.trie.entries.keys().chain(only_old) {
            let (before, after) = (old.found(key), coming.found(key));
            let both = match (after, before) {
                (Some(after), before) => after.with(before),
                (None, Some(before)) => before,
                (None, None) => continue,
            };
            let is_there = old.trie.entries.contains_key(key) && before == Some(both);
            if !is_there {
                self.write_name(key, both)?;
            }
        }
        Ok(())
    }

    /// Every entry as the policy in force has it, and none that it has not.
    pub(super) fn settle_names(
        &mut self,
        trie: &Arc<NameTrie>,
        generation: u64,
    ) -> Result<(), DatapathError> {
        let now = AppliedNames::new(Arc::clone(trie), generation);
        let old = std::mem::take(&mut self.applied.names);
        let settled = self.replace_names(&old, &now);
        self.applied.names = if settled.is_ok() { now } else { old };
        settled
    }

    /// Undoes [`Self::write_both_names`].
    pub(super) fn withdraw_names(&mut self, trie: &Arc<NameTrie>) -> Result<(), DatapathError> {
        let old = std::mem::take(&mut self.applied.names);
        let coming = AppliedNames { trie: Arc::clone(trie), bank: old.bank ^ 1 };
        let withdrawn = self.replace_names(&coming, &old);
        self.applied.names = old;
        withdrawn
    }

    /// From the union of both to `now` alone.
    fn replace_names(
        &mut self,
        old: &AppliedNames,
        now: &AppliedNames,
    ) -> Result<(), DatapathError> {
        for (key, entry) in &now.trie.entries {
            let entry = InBank { entry: *entry, bank: now.bank };
            if entry.with(old.found(key)) != entry || old.found(key) != Some(entry) {
                self.write_name(key, entry)?;
            }
        }
        for key in old.trie.entries.keys().filter(|key| !now.trie.entries.contains_key(*key)) {
            removed(self.maps.names.remove(&name_key(key)), map::NAMES)?;
        }
        Ok(())
    }

    fn write_name(&mut self, key: &[u8], entry: InBank) -> Result<(), DatapathError> {
        self.maps
            .names
            .insert(&name_key(key), entry.value(key), 0)
            .map_err(DatapathError::map("write", map::NAMES))
    }

    /// Brings the ranges up to date that an answer must not open.
    pub fn set_special(&mut self, ranges: &BTreeMap<Prefix, u32>) -> Result<(), DatapathError> {
        let special = &mut self.maps.special;
        for (range, kind) in ranges {
            if self.applied.special.get(range) != Some(kind) {
                special
                    .insert(&trie_key(range), kind, 0)
                    .map_err(DatapathError::map("write", map::SPECIAL))?;
            }
        }
        for range in self.applied.special.keys().filter(|range| !ranges.contains_key(range)) {
            removed(special.remove(&trie_key(range)), map::SPECIAL)?;
        }
        self.applied.special.clone_from(ranges);
        Ok(())
    }
}

/// The key of a name in the kernel's trie: its bytes, all of them.
fn name_key(key: &[u8]) -> Key<NameKey> {
    Key::new(u32::try_from(key.len() * 8).unwrap_or(0), map_key(key))
}
