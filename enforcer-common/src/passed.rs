//! A datagram like one that its socket has sent before, between others: it passes by what let that
//! one pass, and the policy is not asked.
//!
//! What [`crate::repeat`] is for the newest destination of a socket, this is for all the others.

use core::hint::black_box;

use crate::repeat::{Plain, TICKS};

/// Whose datagram it is, and every field that a verdict depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PassedKey {
    /// The socket's cookie (`bpf_get_socket_cookie`), which no other socket gets.
    pub socket: u64,
    /// The headers.
    pub plain: Plain,
}

/// Numbers that nobody else knows, one for each word of a [`PassedKey`]; made anew at each start.
pub type Secrets = [u64; 12];

/// The programs' global that holds them.
pub const SECRETS: &str = "SECRETS";

impl PassedKey {
    /// A number that no other key is known to have: words of 32 bits, each times a secret of 64,
    /// added up. Two keys have numbers that are closer than [`TICKS`] once in 2^32 times at the
    /// most, whoever chooses them. `secret` tells one of the [`Secrets`] by its index.
    #[inline(always)]
    pub fn tag(&self, secret: impl Fn(usize) -> u64) -> u64 {
        let Plain { source, destination, ports, form } = &self.plain;
        let times = |word: u32, index| u64::from(word).wrapping_mul(secret(index));
        // Of IPv4 some words are always the same; to leave them out would be a branch, of which the
        // verifier walks both ways to the end.
        times(self.socket as u32, 0)
            .wrapping_add(times((self.socket >> 32) as u32, 1))
            .wrapping_add(times(*ports, 2))
            .wrapping_add(times(*form, 3))
            .wrapping_add(times(source[0], 4))
            .wrapping_add(times(source[1], 5))
            .wrapping_add(times(source[2], 6))
            .wrapping_add(times(source[3], 7))
            .wrapping_add(times(destination[0], 8))
            .wrapping_add(times(destination[1], 9))
            .wrapping_add(times(destination[2], 10))
            .wrapping_add(times(destination[3], 11))
    }
}

/// When such a datagram was judged, and what let it pass.
///
/// Threads that send by one socket may write it at once. When it was judged is one word, and the
/// others tell which of its writings they belong to: a mixture is nobody's.
///
/// A table that forgets gives the memory of an entry to another key while a program may still read
/// it (`prealloc_lru_pop`, kernel/bpf/hashtab.c, 6.18). So the word is kept with the key's
/// [`PassedKey::tag`] added, and says nothing to whoever came with another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PassedEntry {
    /// The generation's low 24 bits above 40 bits of the kernel's clock (`jiffies`), which are
    /// enough for 34 years of a thousand ticks a second; with the key's tag added.
    judged: u64,
    /// What let it pass ([`crate::decide::Match`]), below the mark of the writing.
    by: u64,
    /// The uplink by which it has left ([`crate::repeat::Repeat::uplink`]), below the mark.
    uplink: u64,
    /// Datagrams that passed since, which the address they go to does not know of.
    pub uncounted: u64,
}

impl PassedEntry {
    const CLOCK_BITS: u32 = 40;
    const CLOCK: u64 = (1 << Self::CLOCK_BITS) - 1;

    /// One that was judged under this generation at this time in ticks; `tag` is its key's.
    #[inline(always)]
    pub const fn new(tag: u64, by: u32, generation: u64, ticks: u64) -> Self {
        let judged = generation << Self::CLOCK_BITS | ticks & Self::CLOCK;
        let by = marked(by, judged);
        Self { judged: judged.wrapping_add(tag), by, uplink: 0, uncounted: 0 }
    }

    /// Judged anew.
    #[inline(always)]
    pub const fn write(&mut self, tag: u64, by: u32, generation: u64, ticks: u64) {
        let new = Self::new(tag, by, generation, ticks);
        self.judged = new.judged;
        self.by = new.by;
    }

    /// What let it pass, in a [`crate::decide::Match`]'s bits, if that still holds at this time in
    /// ticks.
    ///
    /// Words that are looked at twice are read once: between two looks they may change.
    #[inline(always)]
    pub fn passes(&self, tag: u64, generation: u64, ticks: u64) -> Option<u32> {
        let (judged, by) = black_box((self.judged, self.by));
        let judged = judged.wrapping_sub(tag);
        let is_current = (judged ^ generation << Self::CLOCK_BITS) >> Self::CLOCK_BITS == 0;
        let is_fresh = (ticks.wrapping_sub(judged) & Self::CLOCK) < u64::from(TICKS);
        let is_whole = by == marked(by as u32, judged);
        if is_current && is_fresh && is_whole { Some(by as u32) } else { None }
    }

    /// Whether it has left by an uplink since it was judged.
    #[inline(always)]
    pub const fn has_left_by(&self, tag: u64, uplink: u32) -> bool {
        uplink != 0 && self.uplink == marked(uplink, self.judged.wrapping_sub(tag))
    }

    /// Remembers by which uplink it leaves.
    #[inline(always)]
    pub const fn leave(&mut self, tag: u64, uplink: u32) {
        self.uplink = marked(uplink, self.judged.wrapping_sub(tag));
    }
}

/// A word below the low halves of the generation and the clock that it belongs to.
#[inline(always)]
const fn marked(says: u32, judged: u64) -> u64 {
    let generation = (judged >> PassedEntry::CLOCK_BITS) & 0xffff;
    generation << 48 | (judged & 0xffff) << 32 | says as u64
}

const _: () = assert!(size_of::<PassedKey>() == 48 && align_of::<PassedKey>() == 8);
const _: () = assert!(size_of::<PassedEntry>() == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Match;

    const GENERATION: u64 = (5 << 24) + 7;
    const NOW: u64 = (3 << 40) + 20;
    const BY: u32 = Match::rule(3).bits();

    const NUMBERS: Secrets = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
        0xa076_1d64_78bd_642f,
        0xe703_7ed1_a0b4_28db,
        0x8ebc_6af0_9c88_c6e3,
        0x5899_65cc_7537_4cc3,
        0x1d8e_4e27_c47d_124f,
        0xeb44_acca_b455_d165,
        0x2545_f491_4f6c_dd1d,
        0xc2b2_ae3d_27d4_eb4f,
    ];

    fn key(is_v6: bool) -> PassedKey {
        let form = Plain::form(17, is_v6, false);
        let plain = Plain { source: [1, 2, 3, 4], destination: [5, 6, 7, 8], ports: 9, form };
        PassedKey { socket: (1 << 32) + 10, plain }
    }

    fn tag() -> u64 {
        key(true).tag(|index| NUMBERS[index])
    }

    fn entry() -> PassedEntry {
        PassedEntry::new(tag(), BY, GENERATION, NOW)
    }

    #[test]
    fn an_entry_says_nothing_to_whoever_has_another_key() {
        for is_v6 in [false, true] {
            let own = key(is_v6);
            let entry = PassedEntry::new(own.tag(|index| NUMBERS[index]), BY, GENERATION, NOW);
            let mut left = entry;
            left.leave(own.tag(|index| NUMBERS[index]), 64);
            let mut others = std::vec![
                PassedKey { socket: own.socket ^ 1, ..own },
                PassedKey { socket: own.socket ^ 1 << 40, ..own },
                PassedKey { plain: Plain { ports: 8, ..own.plain }, ..own },
                PassedKey { plain: Plain { form: own.plain.form ^ 1 << 9, ..own.plain }, ..own },
            ];
            for index in 0..4 {
                let (mut source, mut destination) = (own.plain, own.plain);
                source.source[index] ^= 1 << 31;
                destination.destination[index] ^= 1 << 31;
                others.extend([source, destination].map(|plain| PassedKey { plain, ..own }));
            }
            assert_eq!(entry.passes(own.tag(|index| NUMBERS[index]), GENERATION, NOW), Some(BY));
            for other in others {
                let tag = other.tag(|index| NUMBERS[index]);
                assert_eq!(entry.passes(tag, GENERATION, NOW), None, "{other:?}");
                assert!(!left.has_left_by(tag, 64), "{other:?}");
            }
        }
    }

    #[test]
    fn it_counts_for_its_generation_and_for_some_ticks() {
        let after = |ticks: u64| entry().passes(tag(), GENERATION, NOW + ticks);

        assert_eq!(after(0), Some(BY));
        assert_eq!(after(u64::from(TICKS) - 1), Some(BY));
        assert_eq!(after(u64::from(TICKS)), None);
        assert_eq!(after(1 << 32), None, "the clock's low half has begun anew");
        assert_eq!(entry().passes(tag(), GENERATION, NOW - 1), None);
        assert_eq!(entry().passes(tag(), GENERATION + 1, NOW), None);
        assert_eq!(entry().passes(tag(), GENERATION - 1, NOW), None);
        assert_eq!(entry().passes(tag(), GENERATION + (1 << 16), NOW), None);
    }

    #[test]
    fn it_is_judged_anew_over_the_end_of_the_clock() {
        let last = (1 << 40) - 1;
        let entry = PassedEntry::new(tag(), BY, GENERATION, last);

        assert_eq!(entry.passes(tag(), GENERATION, last + 1), Some(BY));
        assert_eq!(entry.passes(tag(), GENERATION, last + u64::from(TICKS)), None);
    }

    /// Whatever words of two writings are seen together, what passes is one of the two.
    #[test]
    fn no_mixture_of_two_writings_passes() {
        let before = entry();
        let other = Match::rule(4).bits();
        for (generation, ticks) in
            [(GENERATION, NOW + 1), (GENERATION + 1, NOW), (GENERATION + 1, NOW + 2)]
        {
            let mut after = before;
            after.write(tag(), other, generation, ticks);
            let mixtures = [
                PassedEntry { judged: after.judged, ..before },
                PassedEntry { by: after.by, ..before },
            ];

            assert_eq!(after.passes(tag(), generation, ticks), Some(other));
            for mixture in mixtures {
                assert_eq!(mixture.passes(tag(), generation, ticks), None, "{mixture:?}");
                assert_eq!(mixture.passes(tag(), GENERATION, ticks), None, "{mixture:?}");
            }
        }
    }

    #[test]
    fn an_uplink_counts_until_it_is_judged_anew() {
        let mut entry = entry();
        assert!(!entry.has_left_by(tag(), 0) && !entry.has_left_by(tag(), 64));

        entry.leave(tag(), 64);
        assert!(entry.has_left_by(tag(), 64) && !entry.has_left_by(tag(), 96));

        entry.write(tag(), BY, GENERATION, NOW + 1);
        assert!(!entry.has_left_by(tag(), 64), "the uplink has not seen it since");
        entry.leave(tag(), 0);
        assert!(!entry.has_left_by(tag(), 0), "a device that has no number of its own");
    }
}
