use std::vec::Vec;

use super::{Message, fold, fold_word};

#[test]
fn folds_letters_and_nothing_else() {
    for byte in 0..=255_u8 {
        let expected = byte.to_ascii_lowercase();
        assert_eq!(fold(u32::from(byte)), u32::from(expected));
        for place in 0..8 {
            let shifted = |byte: u8| u64::from(byte) << (place * 8);
            assert_eq!(fold_word(shifted(byte)), shifted(expected), "{byte} at {place}");
        }
    }
}

/// A message in a slice, with a byte behind it that means something if it is read.
pub(crate) struct Slice<'a>(pub(crate) &'a [u8]);

impl Message for Slice<'_> {
    fn length(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap()
    }

    fn byte(&self, at: u32) -> u32 {
        u32::from(self.0.get(at as usize).copied().unwrap_or(0xc1))
    }

    fn word(&self, at: u32) -> u64 {
        (0..8).fold(0, |word, index| word | u64::from(self.byte(at + index)) << (8 * index))
    }
}

/// A message with one question and no record: header, name, type, class.
pub(crate) fn asking(name: &[u8], record_type: u16) -> Vec<u8> {
    let header = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header, name, &record_type.to_be_bytes(), &[0, 1]].concat()
}

/// A name in wire format: `www.example.com`; the empty text is the root.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}
