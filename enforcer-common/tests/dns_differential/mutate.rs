//! Damage: to any bit, and to the places where it is likely to go unnoticed.

use super::{generate::Draft, random::Random};

/// Longest message that is walked.
const MOST_BYTES: usize = 4_096;

/// Changes a message in up to four ways; `other` is where spliced bytes come from.
pub(crate) fn mutate(random: &mut Random, draft: &Draft, other: &[u8]) -> Vec<u8> {
    let mut bytes = draft.bytes.clone();
    for _ in 0..=random.below(4) {
        damage(random, &mut bytes, other, draft);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

/// Changes any bytes in one way.
pub(crate) fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], draft: &Draft) {
    if bytes.is_empty() {
        return;
    }
    let any = random.below(bytes.len());
    match random.below(12) {
        0 => bytes[any] ^= 1 << random.below(8),
        1 => bytes[any] = random.pick(&[0, 1, 4, 16, 0x3f, 0x40, 0xc0, 0xc1, 0xff]),
        2 => bytes.truncate(any),
        3 => splice(random, bytes, other),
        4 => {
            bytes.insert(any, random.byte());
        }
        5 => {
            bytes.remove(any);
        }
        6 => {
            let copied = bytes.clone();
            splice(random, bytes, &copied);
        }
        7 | 8 => nudge(random, bytes, &draft.lengths),
        9 => put(bytes, any, random.pick(&[0xc00c, 0xc00b, 0xc000, 0xffff])),
        _ => point(random, bytes, &draft.names),
    }
}

/// Makes a length a little longer or shorter, or quite another one.
fn nudge(random: &mut Random, bytes: &mut [u8], lengths: &[usize]) {
    let Some(at) = lengths.get(random.below(lengths.len())).copied() else { return };
    let Some(length) = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()) else {
        return;
    };
    let length = u16::from_be_bytes(length);
    let change = random.pick(&[1, 2, 4, 12, 16, u16::MAX, u16::MAX - 3, 0x100]);
    put(bytes, at, length.wrapping_add(change));
}

/// Writes a pointer to or near another name over a name or a pointer.
fn point(random: &mut Random, bytes: &mut [u8], names: &[usize]) {
    let (Some(from), Some(to)) =
        (names.get(random.below(names.len())), names.get(random.below(names.len())))
    else {
        return;
    };
    let to = (to + random.below(4)).saturating_sub(random.below(3));
    put(bytes, *from, 0xc000 | u16::try_from(to).unwrap_or(0) & 0x3fff);
}

fn put(bytes: &mut [u8], at: usize, number: u16) {
    if let Some(to) = bytes.get_mut(at..at + 2) {
        to.copy_from_slice(&number.to_be_bytes());
    }
}

fn splice(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let from = random.below(other.len());
    let length = random.below((other.len() - from).min(40) + 1);
    let at = random.below(bytes.len());
    let replaced = if random.one_in(2) { (at + length).min(bytes.len()) } else { at };
    bytes.splice(at..replaced, other[from..from + length].iter().copied());
}
