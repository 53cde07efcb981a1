//! A set of rules, one bit a slot.

use crate::abi::MAX_RULES;

const WORD_BITS: usize = 64;

/// A set of slots: 512 bits in eight host-order words, slot 0 in the lowest bit of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct RuleMask([u64; Self::WORDS]);

#[expect(
    clippy::indexing_slicing,
    reason = "behind a bound check on the same line; `get_mut` is not const"
)]
impl RuleMask {
    /// Words in a mask.
    pub const WORDS: usize = MAX_RULES / WORD_BITS;

    /// No rule.
    pub const EMPTY: Self = Self([0; Self::WORDS]);

    /// The mask with one slot set; empty when there is no such slot.
    pub const fn of(slot: u16) -> Self {
        let mut mask = Self::EMPTY;
        mask.insert(slot);
        mask
    }

    /// The same sixty-four slots eight times over. With a zero that the compiler does not know it is
    /// an empty mask made by eight stores and not by a call of `memset`.
    #[inline(always)]
    pub const fn filled(word: u64) -> Self {
        Self([word; Self::WORDS])
    }

    /// Sets a slot; a slot past the last is ignored.
    pub const fn insert(&mut self, slot: u16) {
        let (word, bit) = (slot as usize / WORD_BITS, slot as usize % WORD_BITS);
        if word < Self::WORDS {
            self.0[word] |= 1 << bit;
        }
    }

    /// Whether a slot is set.
    #[inline(always)]
    pub const fn contains(&self, slot: u16) -> bool {
        let (word, bit) = (slot as usize / WORD_BITS, slot as usize % WORD_BITS);
        word < Self::WORDS && self.0[word] & (1 << bit) != 0
    }

    /// Whether no slot is set.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        let [a, b, c, d, e, f, g, h] = self.0;
        a | b | c | d | e | f | g | h == 0
    }

    /// Sixty-four slots at once; 0 past the last word.
    #[inline(always)]
    pub const fn word(&self, index: usize) -> u64 {
        if index < Self::WORDS { self.0[index] } else { 0 }
    }

    /// Sets sixty-four slots at once; nothing past the last word.
    #[inline(always)]
    pub const fn set_word(&mut self, index: usize, word: u64) {
        if index < Self::WORDS {
            self.0[index] = word;
        }
    }

    /// Adds every slot of `other`.
    #[inline(always)]
    pub fn unite(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// Keeps the slots that `other` has too.
    #[inline(always)]
    pub fn intersect(&mut self, other: &Self) {
        for (word, kept) in self.0.iter_mut().zip(other.0) {
            *word &= kept;
        }
    }

    /// Takes every slot of `other` out.
    #[inline(always)]
    pub fn subtract(&mut self, other: &Self) {
        for (word, less) in self.0.iter_mut().zip(other.0) {
            *word &= !less;
        }
    }

    /// The lowest slot.
    #[inline(always)]
    pub fn first(&self) -> Option<u16> {
        for (index, word) in (0_u16..).zip(self.0) {
            if word != 0 {
                return Some(index << 6 | word.trailing_zeros() as u16);
            }
        }
        None
    }

    /// The slots, lowest first.
    pub fn slots(&self) -> impl Iterator<Item = u16> + use<> {
        let mask = *self;
        (0..512u16).filter(move |slot| mask.contains(*slot))
    }
}

impl Default for RuleMask {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl FromIterator<u16> for RuleMask {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut mask = Self::EMPTY;
        for slot in slots {
            mask.insert(slot);
        }
        mask
    }
}

const _: () = assert!(size_of::<RuleMask>() == 64 && align_of::<RuleMask>() == 8);

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::RuleMask;

    #[test]
    fn keeps_each_slot_apart() {
        let mask: RuleMask = [0, 63, 64, 511].into_iter().collect();

        assert_eq!(mask.slots().collect::<Vec<_>>(), [0, 63, 64, 511]);
        assert!(!mask.contains(1) && !mask.contains(512));
    }

    #[test]
    fn finds_the_lowest_slot() {
        let first = |slots: &[u16]| slots.iter().copied().collect::<RuleMask>().first();

        assert_eq!(first(&[511, 64, 70]), Some(64));
        assert_eq!(first(&[511]), Some(511));
        assert_eq!(first(&[0, 511]), Some(0));
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn ignores_a_slot_past_the_last() {
        assert!(RuleMask::of(512).is_empty());
        assert!(!RuleMask::of(511).is_empty());
    }

    #[test]
    fn unites_intersects_and_subtracts() {
        let mut mask = RuleMask::of(3);
        mask.unite(&RuleMask::of(70));
        assert!(mask.contains(3) && mask.contains(70));

        mask.intersect(&RuleMask::of(70));
        assert_eq!(mask, RuleMask::of(70));

        mask.subtract(&RuleMask::of(70));
        assert!(mask.is_empty());
    }
}
