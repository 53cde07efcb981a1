//! The walk over both tables against the definition, entry by entry, over made-up tables.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Numbers that are the same for the same seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn mask(&mut self) -> RuleMask {
        let slots = self.below(3);
        (0..slots).map(|_| [0, 1, 63, 64, 511][usize::try_from(self.below(5)).unwrap()]).collect()
    }

    /// Few bits at either end, so that prefixes lie in one another and addresses meet.
    fn prefix(&mut self) -> Prefix {
        let bits = [0, 1, 2, 3, 95, 96, 97, 98, 99, 100, 126, 127, 128]
            [usize::try_from(self.below(13)).unwrap()];
        let top = u128::from(self.below(8)) << 125;
        let middle = u128::from(self.below(16)) << 28;
        let value = if self.below(4) == 0 { top } else { 0xffff_u128 << 32 | middle };
        let value = value | u128::from(self.below(4));
        let kept = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let address = Address::from_v6((value & kept).to_be_bytes());
        Prefix { address, bits: u8::try_from(bits).unwrap() }
    }

    fn table(&mut self) -> PrefixTable {
        let (hosts, prefixes) = (self.below(24), self.below(24));
        let hosts: BTreeMap<_, _> =
            (0..hosts).map(|_| (self.prefix().address, self.mask())).collect();
        let prefixes: BTreeMap<_, _> =
            (0..prefixes).map(|_| (self.prefix(), self.mask())).collect();
        PrefixTable { hosts: hosts.into_iter().collect(), prefixes: prefixes.into_iter().collect() }
    }

    /// Another one, or one that is nearly the same.
    fn next_table(&mut self, old: &PrefixTable) -> PrefixTable {
        if self.below(2) == 0 {
            return self.table();
        }
        let mut next = old.clone();
        next.prefixes.retain(|_| self.below(8) > 0);
        next.hosts.retain(|_| self.below(8) > 0);
        for (_, mask) in &mut next.prefixes {
            if self.below(8) == 0 {
                *mask = self.mask();
            }
        }
        next
    }
}

type Map<K> = BTreeMap<K, RuleMask>;

fn written<'t, K: Ord + Copy + 't>(
    map: &mut Map<K>,
    entries: impl Iterator<Item = (&'t K, RuleMask)>,
) {
    for (key, mask) in entries {
        assert_ne!(map.insert(*key, mask), Some(mask), "written without need");
    }
}

fn map<K: Ord + Copy>(entries: &[(K, RuleMask)]) -> Map<K> {
    entries.iter().copied().collect()
}

/// What both say of a key, by search.
fn both(one: Option<&RuleMask>, other: Option<&RuleMask>) -> RuleMask {
    let mut both = one.copied().unwrap_or_default();
    both.unite(other.unwrap_or(&RuleMask::EMPTY));
    both
}

#[test]
fn every_entry_carries_what_both_say_around_it_in_between() {
    let mut random = Random(1);
    for _ in 0..4_000 {
        let old = random.table();
        let new = random.next_table(&old);
        let way = Transition::between(&old, &new);

        let keys: BTreeSet<_> =
            old.prefixes.iter().chain(&new.prefixes).map(|(it, _)| *it).collect();
        let expected: Map<Prefix> = keys
            .into_iter()
            .map(|prefix| (prefix, both(old.longest(&prefix), new.longest(&prefix))))
            .collect();
        let mut prefixes = map(&old.prefixes);
        written(&mut prefixes, way.prefixes.united());
        assert_eq!(prefixes, expected);

        let keys: BTreeSet<_> = old.hosts.iter().chain(&new.hosts).map(|(it, _)| *it).collect();
        let expected: Map<Address> = keys
            .into_iter()
            .map(|address| (address, both(old.host(&address), new.host(&address))))
            .collect();
        let mut hosts = map(&old.hosts);
        written(&mut hosts, way.hosts.united());
        assert_eq!(hosts, expected);
    }
}

#[test]
fn settles_at_the_new_table_and_withdraws_to_the_old_one() {
    let mut random = Random(2);
    for _ in 0..4_000 {
        let old = random.table();
        let new = random.next_table(&old);
        let way = Transition::between(&old, &new);
        let (mut hosts, mut prefixes) = (map(&old.hosts), map(&old.prefixes));
        written(&mut hosts, way.hosts.united());
        written(&mut prefixes, way.prefixes.united());
        let (mut hosts_back, mut prefixes_back) = (hosts.clone(), prefixes.clone());

        written(&mut hosts, way.hosts.settled());
        written(&mut prefixes, way.prefixes.settled());
        way.hosts.dropped().for_each(|key| assert!(hosts.remove(key).is_some()));
        way.prefixes.dropped().for_each(|key| assert!(prefixes.remove(key).is_some()));
        assert_eq!((hosts, prefixes), (map(&new.hosts), map(&new.prefixes)));

        written(&mut hosts_back, way.hosts.withdrawn());
        written(&mut prefixes_back, way.prefixes.withdrawn());
        way.hosts.added().for_each(|key| assert!(hosts_back.remove(key).is_some()));
        way.prefixes.added().for_each(|key| assert!(prefixes_back.remove(key).is_some()));
        assert_eq!((hosts_back, prefixes_back), (map(&old.hosts), map(&old.prefixes)));
    }
}

#[test]
fn withdraws_what_stopped_half_way() {
    let mut random = Random(3);
    for _ in 0..4_000 {
        let old = random.table();
        let new = random.next_table(&old);
        let way = Transition::between(&old, &new);
        let mut prefixes = map(&old.prefixes);
        let done = usize::try_from(random.below(24)).unwrap();
        written(&mut prefixes, way.prefixes.united().take(done));

        prefixes.extend(way.prefixes.withdrawn().map(|(key, mask)| (*key, mask)));
        for key in way.prefixes.added() {
            prefixes.remove(key);
        }
        assert_eq!(prefixes, map(&old.prefixes));
    }
}

#[test]
fn nothing_is_written_where_nothing_changed() {
    let mut random = Random(4);
    let old = random.table();
    let same = old.clone();
    let way = Transition::between(&old, &same);

    assert_eq!(way.hosts.0, []);
    assert_eq!(way.prefixes.0, []);
}

#[test]
fn restores_what_stopped_anywhere_between_the_old_table_and_the_new_one() {
    let mut random = Random(4);
    for _ in 0..2_000 {
        let old = random.table();
        let new = random.next_table(&old);
        let way = Transition::between(&old, &new);
        let mut prefixes = map(&old.prefixes);
        let united: Vec<_> = way.prefixes.united().collect();
        let settled: Vec<_> = way.prefixes.settled().collect();
        let dropped: Vec<_> = way.prefixes.dropped().collect();
        // Steps of all three kinds, ended behind any of them.
        let steps = united.len() + settled.len() + dropped.len();
        let end = usize::try_from(random.below(steps as u64 + 1)).unwrap();
        let writes = united.iter().chain(&settled).take(end);
        prefixes.extend(writes.map(|(prefix, mask)| (**prefix, *mask)));
        for prefix in dropped.iter().take(end.saturating_sub(united.len() + settled.len())) {
            prefixes.remove(*prefix);
        }

        prefixes.extend(way.prefixes.restored().map(|(prefix, mask)| (*prefix, mask)));
        for prefix in way.prefixes.added() {
            prefixes.remove(prefix);
        }

        assert_eq!(prefixes, map(&old.prefixes));
    }
}
