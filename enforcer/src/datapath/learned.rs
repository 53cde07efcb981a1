//! Addresses of names in their map. The kernel learns them too, at any moment: whatever the agent
//! writes it has a kernel program write, under the lock of the entry.

use std::collections::BTreeSet;

use aya::{
    maps::{Array, MapData},
    programs::{CgroupSkb, TestRun as _, TestRunOptions},
};
use enforcer_common::{
    abi::map,
    address::Address,
    dns::name::NameKey,
    learned::{AddressEntry, AddressKey, AddressWrite, written},
    rule_mask::RuleMask,
};

use super::{
    BootTime, Datapath, DatapathError, Learned,
    attach::WRITER,
    maps::{found, is_full, removed},
};

/// An address of a name, for [`Datapath::learn`].
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The address.
    pub address: Address,
    /// The rules it is for.
    pub rules: RuleMask,
    /// When it stops counting.
    pub expires: BootTime,
    /// The name.
    pub name: &'a NameKey,
    /// The name's key among the names.
    pub name_hash: u64,
}

/// How long an expired entry stays: whoever learns the address again meanwhile finds it, so that
/// the two hardly ever meet in the moment of the removal.
const KEPT_NS: u64 = 60_000_000_000;

/// Entries between two signs of life.
const BEAT_EACH: usize = 65_536;

/// A header that a frame has to begin with; the program does not see it.
const FRAME_HEADER_BYTES: usize = 14;

impl Datapath {
    /// Writes an address of a name, for every network namespace. An entry that has expired is
    /// replaced, a live one gains rules and time and never loses any.
    pub fn learn(&mut self, answer: &Answer<'_>) -> Result<Learned, DatapathError> {
        let write = AddressWrite {
            key: AddressKey::everywhere(answer.address),
            expires_ns: answer.expires.0,
            name: answer.name_hash,
            add: answer.rules,
            remove: RuleMask::EMPTY,
        };
        let learned = self.write_address(&write)?;
        if learned != Learned::Written {
            return Ok(learned);
        }
        if found(self.maps.name_text.get(&answer.name_hash, 0), map::NAME_TEXT)?.is_none()
            && let Err(error) = self.maps.name_text.insert(answer.name_hash, answer.name, 0)
            && !is_full(&error)
        {
            return Err(DatapathError::map("write", map::NAME_TEXT)(error));
        }
        Ok(Learned::Written)
    }

    /// Has the kernel change an entry.
    pub(super) fn write_address(&mut self, write: &AddressWrite) -> Result<Learned, DatapathError> {
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend(write.bytes());
        let program: &mut CgroupSkb = WRITER.program_of(&mut self.object)?;
        let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::default() };
        let result = program.test_run(options).map_err(|source| DatapathError::Run {
            program: WRITER.program,
            source: Box::new(source),
        })?;
        match result.return_value {
            written::DONE => Ok(Learned::Written),
            written::FULL => Ok(Learned::Full),
            written::OVER_QUOTA => Ok(Learned::OverQuota),
            _ => Err(DatapathError::Missing { what: "writer of this layout" }),
        }
    }

    /// Removes addresses that expired long before `now`, and says how many; counts those that
    /// stay. No verdict depends on it.
    pub fn remove_expired(
        &mut self,
        now: BootTime,
        is_urgent: bool,
    ) -> Result<usize, DatapathError> {
        let kept = if is_urgent { 0 } else { KEPT_NS };
        let grace = self.applied.grace_ns;
        let is_over = |entry: &AddressEntry| {
            !entry.is_live(now.0, grace) && entry.expires_ns.saturating_add(kept) <= now.0
        };
        let mut expired = Vec::new();
        let mut named = BTreeSet::new();
        let mut staying = self.count()?;
        for (number, entry) in self.maps.addrs.iter().enumerate() {
            Self::beat_at(&mut self.maps.heartbeat, number)?;
            let (key, entry) = entry.map_err(DatapathError::map("read", map::ADDRS))?;
            if is_over(&entry) {
                expired.push(key);
            } else {
                named.insert(entry.name);
                staying.add(&entry);
            }
        }
        let mut count = 0;
        for (number, key) in expired.iter().enumerate() {
            Self::beat_at(&mut self.maps.heartbeat, number)?;
            // It may have been learned again meanwhile.
            let entry = found(self.maps.addrs.get(key, 0), map::ADDRS)?;
            if entry.as_ref().is_some_and(is_over) {
                removed(self.maps.addrs.remove(key), map::ADDRS)?;
                count += 1;
            } else if let Some(entry) = entry {
                named.insert(entry.name);
                staying.add(&entry);
            }
        }
        self.tell(&staying)?;
        if count > 0 {
            self.remove_unused_names(&named)?;
        }
        Ok(count)
    }

    /// Leaves a sign of life now and then: a million entries take longer than an agent may be silent.
    fn beat_at(heartbeat: &mut Array<MapData, u64>, number: usize) -> Result<(), DatapathError> {
        if number % BEAT_EACH == BEAT_EACH - 1 {
            let now = BootTime::now();
            heartbeat.set(0, now.0, 0).map_err(DatapathError::map("write", map::HEARTBEAT))?;
        }
        Ok(())
    }

    fn remove_unused_names(&mut self, live: &BTreeSet<u64>) -> Result<(), DatapathError> {
        let keys: Result<Vec<u64>, _> = self.maps.name_text.keys().collect();
        for key in keys.map_err(DatapathError::map("read", map::NAME_TEXT))? {
            if !live.contains(&key) {
                removed(self.maps.name_text.remove(&key), map::NAME_TEXT)?;
            }
        }
        Ok(())
    }

    /// Clears the bits of rules that are not in force from the addresses of names, so that their
    /// slots can be given to others.
    pub fn clear_rules(&mut self, freed: &RuleMask) -> Result<(), DatapathError> {
        if freed.is_empty() {
            return Ok(());
        }
        let mut having = Vec::new();
        for entry in &self.maps.addrs {
            let (key, mut entry) = entry.map_err(DatapathError::map("read", map::ADDRS))?;
            entry.rules.intersect(freed);
            if !entry.rules.is_empty() {
                having.push(key);
            }
        }
        for key in having {
            let write =
                AddressWrite { key, expires_ns: 0, name: 0, add: RuleMask::EMPTY, remove: *freed };
            // Nothing is added, so nothing can be full.
            let _: Learned = self.write_address(&write)?;
        }
        self.forget_use(freed)
    }
}
