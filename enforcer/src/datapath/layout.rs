//! How the maps of a start are laid out, as its agent tells it, and entries of one layout as those
//! of another.

use std::collections::BTreeMap;

use enforcer_common::{
    abi::{self, map},
    counter::Hits,
    dns::name::NameKey,
    flow::{FlowEntry, FlowKey, PeerEntry, PeerKey},
    layout::{Field, Layout},
    learned::{AddressEntry, AddressKey},
};
use serde::{Deserialize, Serialize};

/// The layouts of the maps that are handed on, by name.
pub type Layouts = BTreeMap<String, MapLayout>;

/// A map's layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapLayout {
    /// The version in which it changed last: two maps of one version are laid out alike.
    pub since: u32,
    /// Fields of its keys; empty: no other version can read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<FieldAt>,
    /// Fields of its values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<FieldAt>,
}

/// A field and where it is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldAt {
    /// Its name.
    pub name: String,
    /// Bytes in front of it.
    pub offset: usize,
    /// Its size.
    pub bytes: usize,
}

impl FieldAt {
    fn of(field: &Field) -> Self {
        let Field { name, offset, bytes } = *field;
        Self { name: name.to_owned(), offset, bytes }
    }

    /// Its bytes in a record; `None` where the record is too short.
    pub(super) fn of_record<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        record.get(self.offset..self.offset.checked_add(self.bytes)?)
    }
}

impl MapLayout {
    fn of<K: Layout, V: Layout>() -> (Vec<FieldAt>, Vec<FieldAt>) {
        let fields = |fields: &[Field]| fields.iter().map(FieldAt::of).collect();
        (fields(K::FIELDS), fields(V::FIELDS))
    }
}

/// The layouts of this version.
pub(crate) fn own() -> Layouts {
    abi::HANDED_ON
        .iter()
        .map(|(name, since)| {
            let (key, value) = match *name {
                map::ADDRS => MapLayout::of::<AddressKey, AddressEntry>(),
                map::NAME_TEXT => MapLayout::of::<u64, NameKey>(),
                map::FLOWS => MapLayout::of::<FlowKey, FlowEntry>(),
                map::PEERS => MapLayout::of::<PeerKey, PeerEntry>(),
                map::SLOT_SINCE | map::LEARNING => MapLayout::of::<u32, u64>(),
                map::RULE_HITS | map::IMPLICIT_HITS | map::DROPS | map::TOTALS => {
                    MapLayout::of::<u32, Hits>()
                }
                _ => Default::default(),
            };
            ((*name).to_owned(), MapLayout { since: *since, key, value })
        })
        .collect()
}

/// From a record of one layout to the record of another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translation {
    /// Where from, where to, how many bytes.
    moves: Vec<(usize, usize, usize)>,
}

impl Translation {
    /// For a key: `None` where a field of it would be unknown.
    pub(super) fn of_key(from: &[FieldAt], to: &[FieldAt]) -> Option<Self> {
        let translation = Self::of_value(from, to);
        (!to.is_empty() && translation.moves.len() == to.len()).then_some(translation)
    }

    /// For a value: a field that is unknown is zero.
    pub(super) fn of_value(from: &[FieldAt], to: &[FieldAt]) -> Self {
        let found = |to: &FieldAt| {
            let from = from.iter().find(|it| it.name == to.name && it.bytes == to.bytes)?;
            Some((from.offset, to.offset, to.bytes))
        };
        Self { moves: to.iter().filter_map(found).collect() }
    }

    /// Fills a record of the other layout.
    pub(super) fn fill(&self, from: &[u8], to: &mut [u8]) {
        for (source, target, bytes) in &self.moves {
            let source = from.get(*source..source + bytes);
            let target = to.get_mut(*target..target + bytes);
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, offset: usize, bytes: usize) -> FieldAt {
        FieldAt { name: name.to_owned(), offset, bytes }
    }

    #[test]
    fn fields_are_moved_by_name_and_what_is_new_is_zero() {
        let from = [field("a", 0, 2), field("gone", 2, 1), field("b", 3, 1)];
        let to = [field("new", 0, 1), field("b", 1, 1), field("a", 2, 2)];
        let mut record = [9_u8; 4];
        record.fill(0);

        Translation::of_value(&from, &to).fill(&[1, 2, 3, 4], &mut record);

        assert_eq!(record, [0, 4, 1, 2]);
        assert_eq!(Translation::of_key(&from, &to), None);
        assert!(Translation::of_key(&from, &[field("b", 0, 1)]).is_some());
        let wider = [field("b", 0, 2)];
        assert_eq!(Translation::of_key(&from, &wider), None, "a field of another size");
    }

    #[test]
    fn every_map_that_is_handed_on_has_a_layout() {
        let own = own();

        assert_eq!(own.len(), abi::HANDED_ON.len());
        assert!(own.values().all(|layout| layout.since <= abi::ABI_VERSION));
        assert!(own[map::ADDRS].value.iter().any(|field| field.name == "expires_ns"));
    }
}
