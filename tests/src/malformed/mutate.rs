//! What is done to packets: each change makes one field a lie, or most of the packet noise.

use super::generate::{Draft, IPV4, IPV6, MOST_BYTES};
use crate::random::Random;

/// Where headers are, mostly.
const HEADER_BYTES: usize = 96;

/// Changes a packet in one way; one that is too short for it stays.
pub(super) fn mutate(random: &mut Random, draft: &mut Draft) {
    let bytes = &mut draft.bytes;
    let length = bytes.len();
    match random.below(20) {
        0..4 => {
            // Test runs of most kernels refuse what is shorter than the fixed header.
            let fixed = if draft.ethertype == IPV6 { 40 } else { 20 };
            let least = if random.one_in(8) { 0 } else { fixed };
            let most = random.pick(HEADER_BYTES, &[length, 60]).min(length);
            bytes.truncate(least + random.below((most + 1).saturating_sub(least)));
        }
        4..8 => {
            let at = random.below(length.min(HEADER_BYTES));
            set(bytes, at, |byte| byte ^ (1 << random.below(8)));
        }
        8..10 => {
            let at = random.below(length.min(HEADER_BYTES));
            set(bytes, at, |_| random.byte());
        }
        10 => set(bytes, 0, |byte| byte & 0x0f | random.byte() & 0xf0),
        // The version of the other family, as it is.
        11 => set(bytes, 0, |byte| byte ^ 0x20),
        12..14 => set(bytes, 0, |byte| byte & 0xf0 | random.byte() & 0x0f),
        14 => wrong_length(random, draft),
        15 => draft.ethertype = ethertype(random, draft.ethertype),
        16 => {
            // Any length up to the longest, with more of it or of something else behind.
            let count = random.below(MOST_BYTES + 1);
            let filler = random.byte();
            bytes.resize(count.max(length), filler);
        }
        17 => {
            // A piece of it again, or one piece less: what follows is read as another header.
            let (from, count) = (random.below(length), 1 + random.below(24));
            let piece: Vec<u8> = bytes.iter().skip(from).take(count).copied().collect();
            let end = (from + piece.len()).min(length);
            let with = if random.one_in(2) { [piece.clone(), piece].concat() } else { Vec::new() };
            bytes.splice(from..end, with);
        }
        18 => {
            let from = if random.one_in(2) { 1 } else { random.below(length.min(HEADER_BYTES)) };
            let noise = random.bytes(length.saturating_sub(from));
            bytes.truncate(from);
            bytes.extend(noise);
        }
        _ => fragment(random, draft),
    }
    draft.bytes.truncate(MOST_BYTES);
}

fn set(bytes: &mut [u8], at: usize, to: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to(*byte);
    }
}

fn set_word(bytes: &mut [u8], at: usize, word: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&word.to_be_bytes());
    }
}

/// IPv4's total length or IPv6's payload length: nothing, hardly anything, too much, anything.
fn wrong_length(random: &mut Random, draft: &mut Draft) {
    let at = if draft.ethertype == IPV4 { 2 } else { 4 };
    let length = random.word();
    let length = random.pick(length, &[0, 1, 19, 20, 21, 28, 59, 60, 61, 0xffff]);
    set_word(&mut draft.bytes, at, length);
}

/// Any fragment of an IPv4 packet.
fn fragment(random: &mut Random, draft: &mut Draft) {
    if draft.ethertype == IPV4 {
        let field = random.word();
        let few = [0x2000, 0x0001, 0x2001, 0x0002, 0x0003, 0x8000, 0x4000];
        set_word(&mut draft.bytes, 6, random.pick(field, &few));
    }
}

/// The other family, ARP, a VLAN, a length in place of a type (IEEE 802.3), or any.
fn ethertype(random: &mut Random, was: u16) -> u16 {
    let other = if was == IPV4 { IPV6 } else { IPV4 };
    let any = random.word();
    random.pick(any, &[other, other, 0x0806, 0x8100, 0x0040, 0])
}
