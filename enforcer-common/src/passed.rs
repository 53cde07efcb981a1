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

/// When such a datagram was judged, and what let it pass.
///
/// Threads that send by one socket may write it at once. When it was judged is one word, and the
/// others tell which of its writings they belong to: a mixture is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PassedEntry {
    /// The generation's low 24 bits above 40 bits of the kernel's clock (`jiffies`), which are
    /// enough for 34 years of a thousand ticks a second.
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

    /// One that was judged under this generation at this time in ticks.
    #[inline(always)]
    pub const fn new(by: u32, generation: u64, ticks: u64) -> Self {
        let judged = generation << Self::CLOCK_BITS | ticks & Self::CLOCK;
        Self { judged, by: marked(by, judged), uplink: 0, uncounted: 0 }
    }

    /// Judged anew.
    #[inline(always)]
    pub const fn write(&mut self, by: u32, generation: u64, ticks: u64) {
        let new = Self::new(by, generation, ticks);
        self.judged = new.judged;
        self.by = new.by;
    }

    /// What let it pass, in a [`crate::decide::Match`]'s bits, if that still holds at this time in
    /// ticks.
    ///
    /// Words that are looked at twice are read once: between two looks they may change.
    #[inline(always)]
    pub fn passes(&self, generation: u64, ticks: u64) -> Option<u32> {
        let (judged, by) = black_box((self.judged, self.by));
        let is_current = (judged ^ generation << Self::CLOCK_BITS) >> Self::CLOCK_BITS == 0;
        let is_fresh = (ticks.wrapping_sub(judged) & Self::CLOCK) < u64::from(TICKS);
        let is_whole = by == marked(by as u32, judged);
        if is_current && is_fresh && is_whole { Some(by as u32) } else { None }
    }

    /// Whether it has left by an uplink since it was judged.
    #[inline(always)]
    pub const fn has_left_by(&self, uplink: u32) -> bool {
        uplink != 0 && self.uplink == marked(uplink, self.judged)
    }

    /// Remembers by which uplink it leaves.
    #[inline(always)]
    pub const fn leave(&mut self, uplink: u32) {
        self.uplink = marked(uplink, self.judged);
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

    fn entry() -> PassedEntry {
        PassedEntry::new(BY, GENERATION, NOW)
    }

    #[test]
    fn it_counts_for_its_generation_and_for_some_ticks() {
        let after = |ticks: u64| entry().passes(GENERATION, NOW + ticks);

        assert_eq!(after(0), Some(BY));
        assert_eq!(after(u64::from(TICKS) - 1), Some(BY));
        assert_eq!(after(u64::from(TICKS)), None);
        assert_eq!(after(1 << 32), None, "the clock's low half has begun anew");
        assert_eq!(entry().passes(GENERATION, NOW - 1), None);
        assert_eq!(entry().passes(GENERATION + 1, NOW), None);
        assert_eq!(entry().passes(GENERATION - 1, NOW), None);
        assert_eq!(entry().passes(GENERATION + (1 << 16), NOW), None);
    }

    #[test]
    fn it_is_judged_anew_over_the_end_of_the_clock() {
        let last = (1 << 40) - 1;
        let entry = PassedEntry::new(BY, GENERATION, last);

        assert_eq!(entry.passes(GENERATION, last + 1), Some(BY));
        assert_eq!(entry.passes(GENERATION, last + u64::from(TICKS)), None);
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
            after.write(other, generation, ticks);
            let mixtures = [
                PassedEntry { judged: after.judged, ..before },
                PassedEntry { by: after.by, ..before },
            ];

            assert_eq!(after.passes(generation, ticks), Some(other));
            for mixture in mixtures {
                assert_eq!(mixture.passes(generation, ticks), None, "{mixture:?}");
                assert_eq!(mixture.passes(GENERATION, ticks), None, "{mixture:?}");
            }
        }
    }

    #[test]
    fn an_uplink_counts_until_it_is_judged_anew() {
        let mut entry = entry();
        assert!(!entry.has_left_by(0) && !entry.has_left_by(64));

        entry.leave(64);
        assert!(entry.has_left_by(64) && !entry.has_left_by(96));

        entry.write(BY, GENERATION, NOW + 1);
        assert!(!entry.has_left_by(64), "the uplink has not seen it since");
        entry.leave(0);
        assert!(!entry.has_left_by(0), "a device that has no number of its own");
    }
}
