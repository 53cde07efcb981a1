//! How many addresses there are, whose they are, and for how many there is room
//! ([`enforcer_common::quota`]).

use std::collections::BTreeMap;

use enforcer_common::{
    abi::map,
    learned::AddressEntry,
    quota::{self, SlotUse, TOTAL},
    rule_mask::RuleMask,
};

use super::{Datapath, DatapathError, maps::Maps};

/// The addresses of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleUse {
    /// How many it has.
    pub live: u64,
    /// How many were refused it since the maps were made.
    pub refused: u64,
}

/// The addresses of all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many there can be.
    pub size: u64,
    /// How many more find room.
    pub free: u64,
    /// How many were made since the maps were.
    pub made: u64,
    /// How many were refused since then.
    pub refused: u64,
}

impl Room {
    /// How many there are.
    pub const fn used(&self) -> u64 {
        self.size.saturating_sub(self.free)
    }
}

/// What is counted while all addresses are walked.
pub(super) struct Count {
    /// What the kernel had made before: what it makes meanwhile may count twice, until the next
    /// time.
    made: Vec<u64>,
    total: u64,
    owners: BTreeMap<u16, u64>,
}

impl Count {
    /// Counts an entry that stays.
    pub(super) fn add(&mut self, entry: &AddressEntry) {
        self.total += 1;
        if let Some(slot) = quota::owner(entry) {
            *self.owners.entry(slot).or_default() += 1;
        }
    }
}

impl Maps {
    /// Says how many addresses find room in the map of addresses, which is empty.
    pub(super) fn make_room(&mut self, size: u32) -> Result<(), DatapathError> {
        self.set_gone(TOTAL, size.into())
    }

    fn set_gone(&mut self, index: u32, gone: u64) -> Result<(), DatapathError> {
        self.gone.set(index, gone, 0).map_err(DatapathError::map("write", map::GONE))
    }

    fn gone(&self, index: u32) -> Result<u64, DatapathError> {
        self.gone.get(&index, 0).map_err(DatapathError::map("read", map::GONE))
    }

    fn made(&self, index: u32) -> Result<SlotUse, DatapathError> {
        self.slot_use.get(&index, 0).map_err(DatapathError::map("read", map::USE))
    }
}

impl Datapath {
    /// How many addresses there are.
    pub fn room(&self) -> Result<Room, DatapathError> {
        let (total, gone) = (self.maps.made(TOTAL)?, self.maps.gone(TOTAL)?);
        let free = quota::room(total.made, gone);
        let (made, refused) = (total.made, total.refused);
        Ok(Room { size: self.max_addresses.into(), free, made, refused })
    }

    /// How many addresses the rule in a slot has.
    pub fn rule_use(&self, slot: u16) -> Result<RuleUse, DatapathError> {
        let (rule, gone) = (self.maps.made(slot.into())?, self.maps.gone(slot.into())?);
        Ok(RuleUse { live: quota::live(rule.made, gone), refused: rule.refused })
    }

    /// Begins to count: before the first entry is read.
    pub(super) fn count(&self) -> Result<Count, DatapathError> {
        let made: Result<_, _> =
            (0..=TOTAL).map(|index| self.maps.made(index).map(|one| one.made)).collect();
        Ok(Count { made: made?, total: 0, owners: BTreeMap::new() })
    }

    /// Tells the kernel what was counted.
    pub(super) fn tell(&mut self, count: &Count) -> Result<(), DatapathError> {
        for (index, made) in (0..TOTAL).zip(&count.made) {
            let slot = u16::try_from(index).unwrap_or(u16::MAX);
            let counted = count.owners.get(&slot).copied().unwrap_or(0);
            let gone = quota::gone(*made, counted);
            if self.maps.gone(index)? != gone {
                self.maps.set_gone(index, gone)?;
            }
        }
        let made = count.made.last().copied().unwrap_or(0);
        let begun = u64::from(self.max_addresses);
        self.maps.set_gone(TOTAL, begun.saturating_add(made).saturating_sub(count.total))
    }

    /// Slots whose rules have lost their addresses begin with none.
    pub(super) fn forget_use(&mut self, freed: &RuleMask) -> Result<(), DatapathError> {
        for slot in freed.slots() {
            let made = self.maps.made(slot.into())?.made;
            self.maps.set_gone(slot.into(), made)?;
        }
        Ok(())
    }
}
