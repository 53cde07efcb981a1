//! From one start to the next where their maps are laid out otherwise: the next one stands beside
//! the one before and watches, until it knows what is under way.
//!
//! While it watches, both starts' programs see every packet, answer and connection, and the
//! verdicts of the one before are carried out. Then what was learned before is copied, field by
//! field; from the flip of the generation on both judge, and a packet must pass both; and the one
//! before is removed.

use std::time::Duration;

use enforcer_common::{
    abi::map,
    address::Address,
    learned::{AddressKey, AddressWrite},
    rule_mask::RuleMask,
};

use super::{
    BootTime, Datapath, DatapathError, Learned,
    layout::{self, FieldAt, Layouts, MapLayout, Translation},
    pin::Instance,
    predecessor::Predecessor,
    raw::{RawMap, Write},
};
use crate::policy::compile::Tables;

/// How long a start watches: an answer that takes longer to a question from before is learned by
/// the programs from before alone, and again when it is asked for again.
pub const WATCH: Duration = Duration::from_secs(3);

/// Maps whose entries are copied as they are, field by field.
const COPIED: [&str; 3] = [map::FLOWS, map::PEERS, map::NAME_TEXT];
/// Maps of counters.
const COUNTED: [&str; 5] =
    [map::RULE_HITS, map::IMPLICIT_HITS, map::DROPS, map::TOTALS, map::LEARNING];

impl Datapath {
    /// Whether verdicts are not carried out yet, since this start stands beside another.
    pub const fn is_watching(&self) -> bool {
        self.is_watching
    }

    /// Ends the watch: takes over what the start before knows, judges, and removes it.
    ///
    /// # Errors
    ///
    /// A map that could not be read or written; nothing of this start is then left attached, and
    /// the start before goes on.
    pub fn end_watch(
        &mut self,
        tables: &Tables,
        workloads: &std::collections::BTreeMap<u64, RuleMask>,
    ) -> Result<(), DatapathError> {
        let Some(old) = self.predecessor.take() else { return Ok(()) };
        let known = self.copy_known(&old, tables).and_then(|()| self.copy_counters(&old));
        self.is_watching = false;
        known
            .and_then(|()| self.apply(tables, workloads).map(drop))
            .inspect_err(|_| super::load::clean_up(&self.instance))?;
        // What the one before learned while the rest was copied.
        if let Err(error) = self.copy_known(&old, tables) {
            tracing::warn!(%error, "copy what was learned last");
        }
        self.folder.set_current(&self.instance)?;
        self.settle_in();
        Ok(())
    }

    /// Addresses of names and flows.
    fn copy_known(&mut self, old: &Predecessor, tables: &Tables) -> Result<(), DatapathError> {
        let mut kept: RuleMask = old.document.rules.iter().map(|rule| rule.slot).collect();
        kept.intersect(&tables.active);
        // Of a rule that is new here another rule's flows must not be taken for its own.
        let is_kept = |key: &[u8]| {
            let slot = key.try_into().map(u32::from_ne_bytes).ok();
            slot.and_then(|slot| u16::try_from(slot).ok()).is_some_and(|it| kept.contains(it))
        };
        copy(old, &self.instance, map::SLOT_SINCE, Write::Over, is_kept)?;
        for name in COPIED {
            copy(old, &self.instance, name, Write::New, |_| true)?;
        }
        self.copy_addresses(old, &kept, tables.settings(0).grace_ns)
    }

    fn copy_counters(&self, old: &Predecessor) -> Result<(), DatapathError> {
        COUNTED.iter().try_for_each(|name| copy(old, &self.instance, name, Write::Over, |_| true))
    }

    /// Has each address learned again, for those of its rules that are in force here as well.
    fn copy_addresses(
        &mut self,
        old: &Predecessor,
        kept: &RuleMask,
        grace: u64,
    ) -> Result<(), DatapathError> {
        let Some(fields) = AddressFields::of(&old.document.layouts) else {
            tracing::warn!("the start before does not say how its learned addresses are laid out");
            return Ok(());
        };
        let now = BootTime::now().0;
        let mut writes = Vec::new();
        RawMap::open(&old.newest.map(map::ADDRS))?.for_each(|key, value| {
            let write = fields.read(key, value, kept, grace);
            writes.extend(write.filter(|it| it.expires_ns > now && !it.add.is_empty()));
            Ok(())
        })?;
        let mut refused = 0;
        for write in &writes {
            refused += usize::from(self.write_address(write)? != Learned::Written);
        }
        if refused > 0 {
            tracing::error!(refused, "no room for all learned addresses: raise --max-addresses");
        }
        Ok(())
    }
}

/// Where in an entry of another version is what has to be known of an address.
struct AddressFields {
    namespace: FieldAt,
    address: FieldAt,
    rules: FieldAt,
    expires: FieldAt,
    used: FieldAt,
    name: FieldAt,
}

impl AddressFields {
    fn of(layouts: &Layouts) -> Option<Self> {
        let MapLayout { key, value, .. } = layouts.get(map::ADDRS)?;
        let field = |fields: &[FieldAt], name: &str, bytes: usize| {
            fields.iter().find(|it| it.name == name && it.bytes == bytes).cloned()
        };
        Some(Self {
            namespace: field(key, "namespace", 8)?,
            address: field(key, "address", size_of::<Address>())?,
            rules: field(value, "rules", size_of::<RuleMask>())?,
            expires: field(value, "expires_ns", 8)?,
            used: field(value, "used_ns", 8)?,
            name: field(value, "name", 8)?,
        })
    }

    /// An entry that is in use outlives its expiry here as it did there.
    fn read(&self, key: &[u8], value: &[u8], kept: &RuleMask, grace: u64) -> Option<AddressWrite> {
        let word = |field: &FieldAt, record: &[u8]| -> Option<u64> {
            Some(u64::from_ne_bytes(field.of_record(record)?.try_into().ok()?))
        };
        let (expires, used) = (word(&self.expires, value)?, word(&self.used, value)?);
        let is_used = used != 0 && used.saturating_add(grace) > expires;
        let address: [u8; 16] = self.address.of_record(key)?.try_into().ok()?;
        let mut add = RuleMask::EMPTY;
        let words = self.rules.of_record(value)?.chunks_exact(8);
        for (index, word) in words.enumerate() {
            add.set_word(index, u64::from_ne_bytes(word.try_into().ok()?));
        }
        add.intersect(kept);
        Some(AddressWrite {
            key: AddressKey {
                namespace: word(&self.namespace, key)?,
                address: Address::from_v6(address),
            },
            expires_ns: if is_used { expires.saturating_add(grace) } else { expires },
            name: word(&self.name, value)?,
            add,
            remove: RuleMask::EMPTY,
        })
    }
}

/// Copies those of a map's entries that `accepts` takes by their keys.
fn copy(
    old: &Predecessor,
    to: &Instance,
    name: &str,
    write: Write,
    accepts: impl Fn(&[u8]) -> bool,
) -> Result<(), DatapathError> {
    let own = layout::own();
    let (Some(theirs), Some(ours)) = (old.document.layouts.get(name), own.get(name)) else {
        return Ok(());
    };
    let Some(keys) = Translation::of_key(&theirs.key, &ours.key) else {
        tracing::warn!(map = name, "the start before has other keys; nothing of it is kept");
        return Ok(());
    };
    let values = Translation::of_value(&theirs.value, &ours.value);
    let (source, target) = (RawMap::open(&old.newest.map(name))?, RawMap::open(&to.map(name))?);
    source.for_each(|key, value| {
        if !accepts(key) {
            return Ok(());
        }
        let mut next_key = vec![0; target.key_bytes];
        keys.fill(key, &mut next_key);
        let mut next_value = vec![0; target.stride() * target.copies];
        let records = value.chunks(source.stride().max(1));
        for (from, to) in records.zip(next_value.chunks_mut(target.stride().max(1))) {
            values.fill(from, to);
        }
        target.write(&next_key, &next_value, write)
    })
}
