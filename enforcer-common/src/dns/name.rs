//! Names as keys of a longest-prefix trie.
//!
//! The labels of a name stand in the order from the root, each with its length in front:
//! `www.example.com` is `3 com 7 example 3 www`. So the parents of a name are prefixes of its key.
//!
//! The order of the *labels* is reversed and not that of the bytes: in a byte-reversed name the
//! length follows its label, and a length of 45 or of 48 to 57 is the code of `-` or of a digit,
//! which a label may contain. `0` and 48 more characters would then begin like the 48 alone.

use super::{
    HEADER_BYTES, Message, fold,
    question::{Question, is_zero},
};
use crate::{abi::NAME_BYTES, rule_mask::RuleMask};

/// A name's key: zero behind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct NameKey(pub [u8; NAME_BYTES]);

impl NameKey {
    /// The root, which every name is below.
    pub const ROOT: Self = Self([0; NAME_BYTES]);

    /// The name as text, without the last dot; bytes that no pattern can match stand for
    /// themselves.
    #[cfg(feature = "user")]
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        core::iter::from_fn(move || {
            let (length, tail) = rest.split_first().filter(|(length, _)| **length != 0)?;
            let (label, tail) = tail.split_at_checked(usize::from(*length))?;
            rest = tail;
            Some(label)
        })
    }
}

/// Which rules a name feeds whose key begins with this entry's: the longest such entry carries
/// what the shorter ones say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct NameEntry {
    /// Rules for the name itself, as far as no check is needed.
    pub exact: RuleMask,
    /// Rules for names with at least one more label, as far as no check is needed.
    pub below: RuleMask,
    /// Bytes of the entry's own name.
    pub bytes: u32,
    /// The first of the entry's checks in `NAME_CHECKS`.
    pub first_check: u32,
    /// How many there are, [`super::check::MAX_ENTRY_CHECKS`] at the most.
    pub checks: u32,
    /// Zero.
    pub padding: u32,
}

/// Where a key is written to.
pub trait KeyWriter {
    /// Writes a byte of the key.
    fn put(&mut self, at: u32, byte: u32);
    /// Writes where the length of a label stands in the key; labels are counted from the root.
    fn put_label(&mut self, label: u32, at: u32);
}

/// Writes the key of a question's name.
#[inline(always)]
pub fn write_key(message: &impl Message, question: &Question, writer: &mut impl KeyWriter) {
    let (mut left, mut to, mut start, mut labels) = (0, 0, 0, question.labels);
    // The comparison below tells the verifier what the end is, a different one in each round; of
    // a copy nobody looks at it afterwards.
    let end = message.forget(question.name_bytes) & 0xff;
    for index in 0..super::question::MAX_NAME {
        if index >= end {
            break;
        }
        left = message.forget(left) & 0xff;
        to = message.forget(to) & 0xff;
        start = message.forget(start) & 0xff;
        labels = message.forget(labels) & 0xff;
        let byte = message.byte(HEADER_BYTES + index);
        let is_length = is_zero(message, left);
        let (if_length, if_not) = (is_length.wrapping_neg(), is_length.wrapping_sub(1));
        // The place of a label ends where that of the label before begins.
        start = start & if_not | end.wrapping_sub(index + 1 + byte) & if_length;
        to = to & if_not | start & if_length;
        left = left.wrapping_sub(1) & if_not | byte & if_length;
        labels = labels.wrapping_sub(is_length) & 0x7f;
        // Once would do; a branch less for the verifier.
        writer.put_label(labels, start);
        writer.put(to, fold(byte));
        to += 1;
    }
    // Whoever reads the key by its lengths is told where it ends.
    writer.put(question.name_bytes, 0);
}

const _: () = assert!(size_of::<NameEntry>() == 144);

#[cfg(test)]
mod tests;
