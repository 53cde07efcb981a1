//! Which entries of the address tables a change of policy touches, and what is written there.
//!
//! Pure: two sorted tables in, the entries out that differ, in one walk over both. The trie finds
//! the longest prefix alone, so an entry that one policy has hides what the other says of the
//! shorter ones around it: in between it carries both.

use std::cmp::Ordering;

use enforcer_common::{address::Address, rule_mask::RuleMask};

use crate::policy::compile::{Prefix, PrefixTable};

/// What a table says at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said<'t> {
    /// Its own entry.
    Here(&'t RuleMask),
    /// The longest prefix around it.
    Around(&'t RuleMask),
    Nothing,
}

impl<'t> Said<'t> {
    fn rules(self) -> RuleMask {
        match self {
            Self::Here(mask) | Self::Around(mask) => *mask,
            Self::Nothing => RuleMask::EMPTY,
        }
    }

    fn entry(self) -> Option<&'t RuleMask> {
        match self {
            Self::Here(mask) => Some(mask),
            Self::Around(_) | Self::Nothing => None,
        }
    }
}

/// A key whose entry is not the same before, in between and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<'t, K> {
    key: &'t K,
    old: Said<'t>,
    new: Said<'t>,
}

impl<'t, K> Change<'t, K> {
    /// In between the entry carries what both say.
    fn both(&self) -> RuleMask {
        let mut both = self.old.rules();
        both.unite(&self.new.rules());
        both
    }

    /// `None`: the same at all times.
    fn of(key: &'t K, old: Said<'t>, new: Said<'t>) -> Option<Self> {
        let is_same = matches!((old, new), (Said::Here(old), Said::Here(new)) if old == new);
        (!is_same).then_some(Self { key, old, new })
    }
}

/// From one address table to another.
#[derive(Debug, Default)]
pub(super) struct Transition<'t> {
    pub(super) hosts: Changes<'t, Address>,
    pub(super) prefixes: Changes<'t, Prefix>,
}

impl<'t> Transition<'t> {
    pub(super) fn between(old: &'t PrefixTable, new: &'t PrefixTable) -> Self {
        Self {
            hosts: Changes(hosts(&old.hosts, &new.hosts)),
            prefixes: Changes(prefixes(&old.prefixes, &new.prefixes)),
        }
    }
}

impl Transition<'_> {
    /// The rules that some address is not for any more.
    pub(super) fn narrowed(&self) -> RuleMask {
        let mut narrowed = self.hosts.narrowed();
        narrowed.unite(&self.prefixes.narrowed());
        narrowed
    }
}

/// The changes of one table, in the order of their keys.
#[derive(Debug)]
pub(super) struct Changes<'t, K>(Vec<Change<'t, K>>);

impl<K> Default for Changes<'_, K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'t, K> Changes<'t, K> {
    /// What is written so that every entry of either table carries what both say.
    pub(super) fn united(&self) -> impl Iterator<Item = (&'t K, RuleMask)> {
        let all = self.0.iter().map(|change| (change, change.both()));
        all.filter(|(change, both)| change.old.entry() != Some(both))
            .map(|(change, both)| (change.key, both))
    }

    /// What is written behind that, so that the new table's entries are as it has them.
    pub(super) fn settled(&self) -> impl Iterator<Item = (&'t K, RuleMask)> {
        self.to(|change| change.new)
    }

    /// The entries that only the old table has.
    pub(super) fn dropped(&self) -> impl Iterator<Item = &'t K> {
        self.without(|change| change.new)
    }

    /// What is written to undo [`Self::united`], however far it came.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = (&'t K, RuleMask)> {
        self.to(|change| change.old)
    }

    /// What is written to undo [`Self::united`] and, behind it, [`Self::settled`] and the removal
    /// of [`Self::dropped`], however far they came.
    pub(super) fn restored(&self) -> impl Iterator<Item = (&'t K, RuleMask)> {
        self.0.iter().filter_map(|change| Some((change.key, *change.old.entry()?)))
    }

    /// The entries that only the new table has.
    pub(super) fn added(&self) -> impl Iterator<Item = &'t K> {
        self.without(|change| change.old)
    }

    fn narrowed(&self) -> RuleMask {
        let mut narrowed = RuleMask::EMPTY;
        for change in &self.0 {
            let mut lost = change.old.rules();
            lost.subtract(&change.new.rules());
            narrowed.unite(&lost);
        }
        narrowed
    }

    /// Entries of one table that are otherwise in between.
    fn to(&self, side: fn(&Change<'t, K>) -> Said<'t>) -> impl Iterator<Item = (&'t K, RuleMask)> {
        self.0.iter().filter_map(move |change| {
            let mask = *side(change).entry()?;
            (mask != change.both()).then_some((change.key, mask))
        })
    }

    fn without(&self, side: fn(&Change<'t, K>) -> Said<'t>) -> impl Iterator<Item = &'t K> {
        let all = self.0.iter().filter(move |change| side(change).entry().is_none());
        all.map(|change| change.key)
    }
}

/// An entry of a table.
type Entry<K> = (K, RuleMask);

/// Walks two sorted tables at once: each key of either, with its entries.
fn merge<'t, K: Ord>(
    mut old: &'t [Entry<K>],
    mut new: &'t [Entry<K>],
) -> impl Iterator<Item = (Option<&'t Entry<K>>, Option<&'t Entry<K>>)> {
    std::iter::from_fn(move || {
        let order = match (old.first(), new.first()) {
            (Some((before, _)), Some((after, _))) => before.cmp(after),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let before = if order.is_le() { old.split_off_first() } else { None };
        let after = if order.is_ge() { new.split_off_first() } else { None };
        Some((before, after))
    })
}

fn hosts<'t>(old: &'t [Entry<Address>], new: &'t [Entry<Address>]) -> Vec<Change<'t, Address>> {
    let said = |entry: Option<&'t Entry<Address>>| {
        entry.map_or(Said::Nothing, |(_, mask)| Said::Here(mask))
    };
    let changes = merge(old, new).filter_map(|(before, after)| {
        let (key, _) = before.or(after)?;
        Change::of(key, said(before), said(after))
    });
    changes.collect()
}

fn prefixes<'t>(old: &'t [Entry<Prefix>], new: &'t [Entry<Prefix>]) -> Vec<Change<'t, Prefix>> {
    let (mut around_old, mut around_new) = (Around::default(), Around::default());
    let changes = merge(old, new).filter_map(|(before, after)| {
        let (key, _) = before.or(after)?;
        let (old, new) = (around_old.enter(key, before), around_new.enter(key, after));
        Change::of(key, old, new)
    });
    changes.collect()
}

/// The prefixes of a table that a walk is inside of, longest last.
#[derive(Default)]
struct Around<'t>(Vec<&'t Entry<Prefix>>);

impl<'t> Around<'t> {
    /// Goes on to a prefix, where the table may have an entry.
    fn enter(&mut self, key: &Prefix, entry: Option<&'t Entry<Prefix>>) -> Said<'t> {
        while self.0.pop_if(|(around, _)| !around.contains(key)).is_some() {}
        if let Some(entry) = entry {
            self.0.push(entry);
            return Said::Here(&entry.1);
        }
        self.0.last().map_or(Said::Nothing, |(_, mask)| Said::Around(mask))
    }
}

#[cfg(test)]
mod tests;
