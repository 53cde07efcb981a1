//! Whether addresses find room: what is said of it, once each time.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::quota::allowance;

use crate::datapath::{
    Datapath, DatapathError,
    quota::Room,
    reading::{FILLING_PERCENT, is_filling},
};

/// So many times as many addresses as a rule has must be free, or it will soon be short of room:
/// while a sweep is on its way, a busy resolver teaches tens of thousands.
const PRESSING: u64 = 4;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Whether the map is filling up.
    pub(super) is_filling: bool,
    /// Addresses refused until the last look, by slot.
    refused: BTreeMap<u16, u64>,
    all_refused: u64,
    /// Addresses made until the last sweep.
    swept: u64,
    /// Slots whose rules were refused addresses since the sweep before the last.
    short: BTreeSet<u16>,
    /// Those since the last sweep.
    since_sweep: BTreeSet<u16>,
}

impl Watched {
    /// Looks at the kernel's counts; each tick. `rules` are names by slot.
    pub(super) fn look(
        &mut self,
        datapath: &Datapath,
        rules: &[(u16, &str)],
    ) -> Result<(), DatapathError> {
        let room = datapath.room()?;
        self.see(&room);
        if room.refused == self.all_refused {
            return Ok(());
        }
        self.all_refused = room.refused;
        for &(slot, rule) in rules {
            let found = datapath.rule_use(slot)?;
            if found.refused == self.refused.insert(slot, found.refused).unwrap_or(0) {
                continue;
            }
            self.since_sweep.insert(slot);
            if self.short.insert(slot) {
                tracing::warn!(
                    %rule, addresses = found.live, free = room.free, max = room.size,
                    "the rule has as many addresses as it may have beside the others; further \
                     ones are refused: raise --max-addresses or narrow its names"
                );
            }
        }
        Ok(())
    }

    fn see(&mut self, room: &Room) {
        let is_filling = is_filling(room.used(), room.size, self.is_filling);
        if is_filling && !self.is_filling {
            tracing::warn!(
                addresses = room.used(),
                max = room.size,
                "the map of addresses is {FILLING_PERCENT} % full: raise --max-addresses"
            );
        } else if self.is_filling && !is_filling {
            tracing::info!(addresses = room.used(), max = room.size, "addresses find room again");
        }
        self.is_filling = is_filling;
    }

    /// Whether a rule is short of room or soon will be: then what has expired is removed at once.
    pub(super) fn is_pressing(
        &self,
        datapath: &Datapath,
        slots: impl Iterator<Item = u16>,
    ) -> Result<bool, DatapathError> {
        let room = datapath.room()?;
        if !self.since_sweep.is_empty() || is_filling(room.used(), room.size, true) {
            return Ok(true);
        }
        for slot in slots {
            if allowance(datapath.rule_use(slot)?.live.saturating_mul(PRESSING), room.free) == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the next sweep comes too late: much has been made since the last one, of what little
    /// room there is.
    pub(super) fn is_urgent(
        &self,
        datapath: &Datapath,
        slots: impl Iterator<Item = u16>,
    ) -> Result<bool, DatapathError> {
        let room = datapath.room()?;
        let made = room.made.saturating_sub(self.swept);
        Ok(made > 0 && made.saturating_mul(8) >= room.free && self.is_pressing(datapath, slots)?)
    }

    /// A sweep is over: whom nothing was refused since the last one has room again.
    pub(super) fn swept(&mut self, room: &Room) {
        self.swept = room.made;
        self.short = std::mem::take(&mut self.since_sweep);
    }

    /// Whether a rule is refused addresses.
    pub(super) fn is_short(&self, slot: u16) -> bool {
        self.short.contains(&slot)
    }
}
