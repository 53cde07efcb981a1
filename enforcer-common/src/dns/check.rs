//! What the trie of names cannot say: how many labels a name has, and what is in one of them.

use crate::rule_mask::RuleMask;

/// Checks that one entry of the trie can have: the kernel looks at each.
pub const MAX_ENTRY_CHECKS: u32 = 24;

/// Words of a label's text.
const WORDS: usize = 8;

/// One label of a pattern. The checks of a pattern follow each other, the last one has
/// [`LAST`]; the pattern accepts a name that all of them accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LabelCheck {
    /// Rules of the pattern.
    pub rules: RuleMask,
    /// What the label begins with, zero-filled.
    pub before: LabelText,
    /// What it ends with.
    pub after: LabelText,
    /// Fewest labels of the name.
    pub min_labels: u8,
    /// Most labels of the name.
    pub max_labels: u8,
    /// Which label, counted from the root.
    pub label: u8,
    /// Fewest bytes of the label.
    pub min_bytes: u8,
    /// Most bytes of the label.
    pub max_bytes: u8,
    /// Bytes of `after`.
    pub after_bytes: u8,
    /// 1 in the last check of a pattern.
    pub is_last: u8,
    /// Zero.
    pub padding: u8,
}

/// Text of up to 64 bytes, and which bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LabelText {
    /// Eight bytes a word, the first in the lowest bits.
    pub text: [u64; WORDS],
    /// All ones for each byte that counts.
    pub mask: [u64; WORDS],
}

impl LabelText {
    /// Nothing to compare.
    pub const NOTHING: Self = Self { text: [0; WORDS], mask: [0; WORDS] };

    /// From a label's bytes in lower case.
    #[cfg(feature = "user")]
    pub fn new(bytes: &[u8]) -> Self {
        let mut text = Self::NOTHING;
        for (index, byte) in bytes.iter().enumerate() {
            let (word, shift) = (index / 8, index % 8 * 8);
            if let (Some(to), Some(mask)) = (text.text.get_mut(word), text.mask.get_mut(word)) {
                *to |= u64::from(*byte) << shift;
                *mask |= 0xff << shift;
            }
        }
        text
    }

    /// Whether the bytes at `at` are other ones.
    #[inline(always)]
    fn differs(&self, key: &impl Key, at: u32) -> bool {
        let [a, b, c, d, e, f, g, h] = self.text;
        let [i, j, k, l, m, n, o, p] = self.mask;
        let different = (key.word(at) ^ a) & i
            | (key.word(at + 8) ^ b) & j
            | (key.word(at + 16) ^ c) & k
            | (key.word(at + 24) ^ d) & l
            | (key.word(at + 32) ^ e) & m
            | (key.word(at + 40) ^ f) & n
            | (key.word(at + 48) ^ g) & o
            | (key.word(at + 56) ^ h) & p;
        different != 0
    }
}

/// A key with where its labels stand.
pub trait Key {
    /// Where the length of a label stands.
    fn label(&self, label: u32) -> u32;
    /// The byte at `at`.
    fn byte(&self, at: u32) -> u32;
    /// Eight bytes from `at` on; zeros past the end.
    fn word(&self, at: u32) -> u64;
    /// As [`crate::packet::Bytes::forget`].
    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        value
    }
}

impl LabelCheck {
    /// Whether a name of so many labels passes.
    #[inline(always)]
    pub fn accepts(&self, key: &impl Key, labels: u32) -> bool {
        if labels < u32::from(self.min_labels) || labels > u32::from(self.max_labels) {
            return false;
        }
        let at = key.label(u32::from(self.label));
        let bytes = key.byte(at);
        if bytes < u32::from(self.min_bytes) || bytes > u32::from(self.max_bytes) {
            return false;
        }
        let after = at + 1 + bytes - u32::from(self.after_bytes);
        !self.before.differs(key, at + 1) && !self.after.differs(key, after)
    }
}

const _: () = assert!(size_of::<LabelCheck>() == 64 + 256 + 8);

#[cfg(test)]
mod tests;
