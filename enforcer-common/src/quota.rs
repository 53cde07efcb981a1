//! How many addresses each rule has, and how many it may have.
//!
//! One map holds the addresses of all rules, and a name under a wildcard costs whoever asks for it
//! nothing. So that one rule cannot take what the others need, a new address is taken only while
//! its rule has fewer than there are free places: dynamic thresholds with alpha = 1 (Choudhury and
//! Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
//! Transactions on Networking 6, 1998). One rule that takes all it can gets half of the map, two a
//! third each, and a rule with few addresses finds room beside them.
//!
//! The surprising thing: nobody subtracts. The kernel only counts up what it has made, the agent
//! only says in a map of its own how much of that is gone, so neither can undo what the other does
//! in that moment.

use crate::{abi::MAX_RULES, learned::bpf_spin_lock};

/// Entries of `USE` and of `GONE`: one for each slot, and one for all of them.
pub const USE_ENTRIES: u32 = MAX_RULES as u32 + 1;

/// The entry for all slots together.
pub const TOTAL: u32 = MAX_RULES as u32;

/// What the kernel counts of a rule's addresses, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotUse {
    /// Addresses made since the map is there.
    pub made: u64,
    /// Addresses that were refused.
    pub refused: u64,
    /// That of [`TOTAL`] is held while words of any entry change.
    pub lock: bpf_spin_lock,
    /// Zero.
    pub padding: u32,
}

/// How many addresses a rule has. `gone` is the rule's entry of `GONE`.
#[inline(always)]
pub const fn live(made: u64, gone: u64) -> u64 {
    made.saturating_sub(gone)
}

/// How many addresses find room. `gone` is the entry of `GONE` for all: it begins at the size of
/// the map, as if so many had been there before.
#[inline(always)]
pub const fn room(made: u64, gone: u64) -> u64 {
    gone.saturating_sub(made)
}

/// What `GONE` has to say for `counted` to be there. `made` was read before they were counted:
/// what is made meanwhile may count twice, until the next time.
pub const fn gone(made: u64, counted: u64) -> u64 {
    made.saturating_sub(counted)
}

/// How many more a rule may have that has `live` addresses, where `room` are free: one while it has
/// fewer than are free, each of which takes one of them.
#[inline(always)]
pub const fn allowance(live: u64, room: u64) -> u64 {
    room.saturating_sub(live).div_ceil(2)
}

/// Whose an entry is: of the rule that it was made for, while it is for that rule; else of the
/// first that it is for.
#[cfg(feature = "user")]
pub fn owner(entry: &crate::learned::AddressEntry) -> Option<u16> {
    let charged = u16::try_from(entry.charged).ok().and_then(|charged| charged.checked_sub(1));
    charged.filter(|slot| entry.rules.contains(*slot)).or_else(|| entry.rules.first())
}

const _: () = assert!(size_of::<SlotUse>() == 24);

#[cfg(all(test, feature = "user"))]
mod tests {
    use super::{allowance, gone, live, owner, room};
    use crate::{learned::AddressEntry, rule_mask::RuleMask};

    /// Has each of `rules` take all it can, in turn; what each has in the end.
    fn filled(size: u64, rules: usize) -> std::vec::Vec<u64> {
        let mut live = std::vec![0; rules];
        let mut room = size;
        let mut is_growing = true;
        while is_growing {
            is_growing = false;
            for one in &mut live {
                if allowance(*one, room) > 0 {
                    (*one, room, is_growing) = (*one + 1, room - 1, true);
                }
            }
        }
        live
    }

    #[test]
    fn one_rule_gets_half_two_a_third_each_and_a_newcomer_finds_room() {
        assert_eq!(filled(1_000, 1), [500]);
        assert_eq!(filled(999, 2), [333, 333]);
        assert_eq!(filled(1_000, 9), [100; 9]);
    }

    #[test]
    fn several_at_once_are_as_many_as_one_after_the_other() {
        for (live, room) in [(0, 0), (0, 1), (1, 1), (0, 2), (3, 10), (3, 9), (10, 3)] {
            let mut each = 0;
            while live + each < room - std::cmp::min(each, room) {
                each += 1;
            }
            assert_eq!(allowance(live, room), each, "{live} of a rule, {room} free");
        }
    }

    #[test]
    fn counts_what_was_made_less_what_is_gone_and_never_below_nothing() {
        assert_eq!((live(7, 5), live(5, 7)), (2, 0));
        assert_eq!((room(7, 10), room(10, 7)), (3, 0));
        assert_eq!((gone(7, 2), gone(7, 8)), (5, 0));
    }

    #[test]
    fn an_entry_belongs_to_the_rule_it_was_made_for_while_it_is_for_that_rule() {
        let of = |charged, slots: &[u16]| {
            let rules: RuleMask = slots.iter().copied().collect();
            owner(&AddressEntry { rules, charged, ..AddressEntry::forever() })
        };

        assert_eq!(of(6, &[2, 5]), Some(5));
        assert_eq!(of(6, &[2, 7]), Some(2), "its rule is gone");
        assert_eq!(of(0, &[7]), Some(7));
        assert_eq!(of(6, &[]), None);
    }
}
