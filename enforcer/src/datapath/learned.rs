//! Addresses of names in their map: written one by one as they are learned.

use std::collections::BTreeSet;

use enforcer_common::{
    abi::map,
    address::Address,
    rule_mask::RuleMask,
    settings::{AddressEntry, NameText},
};

use super::{
    BootTime, Datapath, DatapathError, Learned,
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
    /// The name, in wire format, lower case.
    pub name: &'a NameText,
    /// The name's key among the names.
    pub name_key: u64,
}

impl Datapath {
    /// Writes an address of a name. An entry that has expired is replaced, a live one gains rules
    /// and time and never loses any.
    pub fn learn(&mut self, answer: &Answer<'_>, now: BootTime) -> Result<Learned, DatapathError> {
        let old = found(self.maps.addrs.get(&answer.address, 0), map::ADDRS)?;
        let mut entry = AddressEntry {
            rules: answer.rules,
            expires_ns: answer.expires.0,
            name: answer.name_key,
            packets: 0,
        };
        if let Some(old) = old.filter(|old| old.expires_ns > now.0) {
            entry.rules.unite(&old.rules);
            entry.expires_ns = entry.expires_ns.max(old.expires_ns);
            entry.packets = old.packets;
        }
        match self.maps.addrs.insert(answer.address, entry, 0) {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Ok(Learned::Full),
            Err(error) => return Err(DatapathError::map("write", map::ADDRS)(error)),
        }
        if let Err(error) = self.maps.name_text.insert(answer.name_key, answer.name, 0)
            && !is_full(&error)
        {
            return Err(DatapathError::map("write", map::NAME_TEXT)(error));
        }
        Ok(Learned::Written)
    }

    /// Removes addresses that expired before `now`, and says how many. No verdict depends on it.
    pub fn remove_expired(&mut self, now: BootTime) -> Result<usize, DatapathError> {
        let mut expired = Vec::new();
        let mut live_names = BTreeSet::new();
        for entry in &self.maps.addrs {
            let (address, entry) = entry.map_err(DatapathError::map("read", map::ADDRS))?;
            if entry.expires_ns <= now.0 {
                expired.push(address);
            } else {
                live_names.insert(entry.name);
            }
        }
        for address in &expired {
            removed(self.maps.addrs.remove(address), map::ADDRS)?;
        }
        if !expired.is_empty() {
            self.remove_unused_names(&live_names)?;
        }
        Ok(expired.len())
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
        let addrs = &mut self.maps.addrs;
        let mut changed = Vec::new();
        for entry in addrs.iter() {
            let (address, mut entry) = entry.map_err(DatapathError::map("read", map::ADDRS))?;
            let before = entry.rules;
            entry.rules.subtract(freed);
            if entry.rules != before {
                changed.push((address, entry));
            }
        }
        for (address, entry) in changed {
            if entry.rules.is_empty() {
                removed(addrs.remove(&address), map::ADDRS)?;
            } else {
                addrs.insert(address, entry, 0).map_err(DatapathError::map("write", map::ADDRS))?;
            }
        }
        Ok(())
    }
}
