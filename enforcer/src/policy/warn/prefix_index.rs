//! Which rules cover an address range: all ranges in one table, looked up at each length in use.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
};

use enforcer_common::rule_mask::RuleMask;
use ipnet::IpNet;

/// The most lists of holes around one range that are searched. More would make a search slow, and
/// a cover that is not found costs a warning, nothing else.
const MAX_HOLED: usize = 64;

/// The ranges of all rules.
#[derive(Default)]
pub(super) struct PrefixIndex<'p> {
    ranges: HashMap<IpNet, Holders<'p>>,
    v4_lengths: BTreeSet<u8>,
    v6_lengths: BTreeSet<u8>,
    steps: Cell<usize>,
}

/// Who has a range.
#[derive(Default)]
struct Holders<'p> {
    /// Rules that have all of it.
    whole: RuleMask,
    /// Rules that have it with holes.
    holed: Vec<(&'p [IpNet], RuleMask)>,
}

impl<'p> PrefixIndex<'p> {
    /// An empty one that does not have to be moved while so many are added.
    pub(super) fn with_room(ranges: usize) -> Self {
        Self { ranges: HashMap::with_capacity(ranges), ..Self::default() }
    }

    pub(super) fn add(&mut self, range: IpNet, except: &'p [IpNet], rule: u16) {
        self.lengths_mut(&range).insert(range.prefix_len());
        let holders = self.ranges.entry(range).or_default();
        if except.is_empty() {
            holders.whole.insert(rule);
            return;
        }
        if let Some((_, mask)) = holders.holed.iter_mut().rfind(|(known, _)| *known == except) {
            mask.insert(rule);
        } else if holders.holed.len() < MAX_HOLED {
            holders.holed.push((except, RuleMask::of(rule)));
        }
    }

    /// The rules among `wanted` with a range that holds all of this one but its holes.
    pub(super) fn cover(&self, range: IpNet, except: &[IpNet], wanted: &RuleMask) -> RuleMask {
        let mut found = RuleMask::EMPTY;
        let lengths =
            if matches!(range, IpNet::V4(_)) { &self.v4_lengths } else { &self.v6_lengths };
        for length in lengths.range(..=range.prefix_len()) {
            self.step();
            let Ok(around) = IpNet::new(range.addr(), *length) else { continue };
            let Some(holders) = self.ranges.get(&around.trunc()) else { continue };
            found.unite(&holders.whole);
            for (holes, mask) in &holders.holed {
                let mut mask = *mask;
                mask.intersect(wanted);
                if !mask.is_empty() && self.spares(holes, range, except) {
                    found.unite(&mask);
                }
            }
        }
        found.intersect(wanted);
        found
    }

    /// How many comparisons all searches have made.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.steps.get()
    }

    /// Whether what holes take out of a range is not wanted there anyway.
    fn spares(&self, holes: &[IpNet], range: IpNet, except: &[IpNet]) -> bool {
        self.step();
        if around(holes, &range).is_some() {
            return false;
        }
        let start = holes.partition_point(|hole| *hole < range);
        let inside = holes.get(start..).unwrap_or_default().iter();
        inside.take_while(|hole| range.contains(*hole)).all(|hole| {
            self.step();
            around(except, hole).is_some()
        })
    }

    fn lengths_mut(&mut self, range: &IpNet) -> &mut BTreeSet<u8> {
        match range {
            IpNet::V4(_) => &mut self.v4_lengths,
            IpNet::V6(_) => &mut self.v6_lengths,
        }
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }
}

/// The one of some sorted ranges, none inside another, that holds a range.
fn around<'r>(ranges: &'r [IpNet], range: &IpNet) -> Option<&'r IpNet> {
    let next = ranges.partition_point(|other| other <= range);
    ranges.get(next.checked_sub(1)?).filter(|last| last.contains(range))
}

#[cfg(test)]
mod tests {
    use super::{IpNet, PrefixIndex, RuleMask};

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|net| net.parse().unwrap()).collect()
    }

    /// Outer, its holes, inner, its holes, and whether the outer covers the inner.
    const CASES: &[(&str, &str, &str, &str, bool)] = &[
        ("10.0.0.0/8", "", "10.0.0.0/8", "", true),
        ("10.0.0.0/8", "", "10.1.2.3/32", "", true),
        ("10.0.0.0/8", "", "11.0.0.0/32", "", false),
        ("10.1.0.0/16", "", "10.0.0.0/8", "", false),
        ("0.0.0.0/0", "", "2001:db8::/32", "", false),
        ("::/0", "", "2001:db8::/32", "", true),
        ("::/0", "", "10.0.0.0/8", "", false),
        ("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "", true),
        ("10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "", false),
        ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "", false),
        ("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "", false),
        ("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16", true),
        ("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/12", "10.0.0.0/15", true),
        ("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/12", "10.1.0.0/24", false),
        ("10.0.0.0/8", "10.1.0.0/16 10.3.0.0/16", "10.0.0.0/8", "10.1.0.0/16", false),
    ];

    #[test]
    fn covers_what_it_holds_and_no_more() {
        for (outer, holes, inner, spared, expected) in CASES {
            let (holes, spared) = (nets(holes), nets(spared));
            let mut index = PrefixIndex::default();
            index.add(outer.parse().unwrap(), &holes, 3);
            let found = index.cover(inner.parse().unwrap(), &spared, &RuleMask::of(3));
            assert_eq!(found.contains(3), *expected, "{outer} {holes:?} over {inner} {spared:?}");
        }
    }

    #[test]
    fn finds_only_the_rules_that_are_asked_for() {
        let holes = nets("10.1.0.0/16");
        let mut index = PrefixIndex::default();
        for rule in 0..4 {
            index.add("10.0.0.0/8".parse().unwrap(), if rule < 2 { &[] } else { &holes }, rule);
        }

        let wanted: RuleMask = [1, 3].into_iter().collect();
        assert_eq!(index.cover("10.2.0.0/16".parse().unwrap(), &[], &wanted), wanted);
        assert!(index.cover("11.0.0.0/16".parse().unwrap(), &[], &wanted).is_empty());
    }
}
