//! Questions that wait for their answers, kept in the storage of the socket that asked.
//!
//! So a flood of questions pushes out those of its own socket and of no other, and there is no
//! table to fill. An entry is found by the transaction id: sixteen places for each eighth of the
//! ids, the oldest of which makes room.

use super::{Message, question::Question};

/// How long an answer is waited for: the C library gives up on a server after five.
pub const LIFETIME_NS: u64 = 10_000_000_000;
const LIFETIME_MS: u32 = (LIFETIME_NS / 1_000_000) as u32;

const SETS: u32 = 8;
const WAYS: u32 = 16;
/// Questions that one socket can have open.
pub const MAX_PENDING: usize = (SETS * WAYS) as usize;

/// Bits of [`Pending::flags`].
mod flag {
    /// The entry waits.
    pub(super) const WAITING: u32 = 1;
    /// The question left by the loopback device.
    pub(super) const LOOPBACK: u32 = 1 << 1;
}

/// A question that was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Pending {
    /// [`Question::hash`].
    question: u64,
    /// The lower half of [`Question::folded`].
    folded: u32,
    /// The resolver as asked.
    resolver: u32,
    /// Boot time in milliseconds, which may have gone round.
    sent_ms: u32,
    /// Transaction id and flags, sixteen bits each.
    id_and_flags: u32,
}

/// The questions of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PendingTable {
    entries: [Pending; MAX_PENDING],
}

/// Where and when a question was asked, or an answer arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstance {
    /// Number of the resolver.
    pub resolver: u32,
    /// Transaction id.
    pub id: u32,
    /// Boot time in nanoseconds.
    pub now_ns: u64,
    /// Whether by the loopback device.
    pub is_loopback: bool,
}

/// What waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// This very question; it does not wait any more.
    Taken,
    /// None with this id of this resolver.
    Unknown,
    /// One in other letters.
    OtherCase,
    /// One about something else.
    OtherQuestion,
    /// This very question, too long ago.
    Late,
    /// This very question, which left by another path.
    OtherPath,
}

impl Circumstance {
    #[inline(always)]
    const fn milliseconds(&self) -> u32 {
        // A division by a constant that the kernel's instruction set has.
        (self.now_ns / 1_000_000) as u32
    }

    #[inline(always)]
    const fn set(&self) -> u32 {
        (self.id & (SETS - 1)) * WAYS
    }
}

impl Pending {
    const fn id(self) -> u32 {
        self.id_and_flags >> 16
    }

    const fn has(self, flag: u32) -> bool {
        self.id_and_flags & flag != 0
    }
}

impl PendingTable {
    /// No questions.
    pub const EMPTY: Self = Self {
        entries: [Pending { question: 0, folded: 0, resolver: 0, sent_ms: 0, id_and_flags: 0 };
            MAX_PENDING],
    };

    /// Remembers a question.
    #[inline(always)]
    pub fn insert(&mut self, message: &impl Message, question: &Question, asked: &Circumstance) {
        let now = asked.milliseconds();
        let (mut best, mut best_age) = (0, 0);
        for way in 0..WAYS {
            best = message.forget(best) & (WAYS - 1);
            best_age = message.forget(best_age);
            let entry = self.entry(asked.set() + way);
            let is_same = entry.id() == asked.id
                && entry.question == question.hash
                && entry.resolver == asked.resolver;
            // The same question's own place before a free one: else it would wait twice, and the
            // answer to the second asking be late by the first.
            let age = if is_same {
                u32::MAX
            } else if entry.has(flag::WAITING) {
                now.wrapping_sub(entry.sent_ms).min(u32::MAX - 2)
            } else {
                u32::MAX - 1
            };
            if age > best_age {
                (best, best_age) = (way, age);
            }
        }
        let flags = flag::WAITING | if asked.is_loopback { flag::LOOPBACK } else { 0 };
        *self.entry_mut(asked.set() + message.forget(best)) = Pending {
            question: question.hash,
            folded: question.folded as u32,
            resolver: asked.resolver,
            sent_ms: now,
            id_and_flags: asked.id << 16 | flags,
        };
    }

    /// Finds what waits for an answer, and takes it where it is this very one.
    #[inline(always)]
    pub fn take(
        &mut self,
        message: &impl Message,
        question: &Question,
        answered: &Circumstance,
    ) -> Match {
        // The place of the same question, of the same in other letters, of another; plus one.
        let (mut same, mut case, mut other) = (0, 0, 0);
        for way in 0..WAYS {
            same = message.forget(same) & 0x1f;
            case = message.forget(case) & 1;
            other = message.forget(other) & 1;
            let entry = self.entry(answered.set() + way);
            if !entry.has(flag::WAITING)
                || entry.id() != answered.id
                || entry.resolver != answered.resolver
            {
                continue;
            }
            other = 1;
            if entry.folded == question.folded as u32 {
                case = 1;
            }
            if entry.question == question.hash {
                same = way + 1;
            }
        }
        let same = message.forget(same) & 0x1f;
        if same == 0 {
            return if message.forget(case) & 1 == 1 {
                Match::OtherCase
            } else if message.forget(other) & 1 == 1 {
                Match::OtherQuestion
            } else {
                Match::Unknown
            };
        }
        let entry = self.entry_mut(answered.set() + same - 1);
        if entry.has(flag::LOOPBACK) != answered.is_loopback {
            return Match::OtherPath;
        }
        let age = answered.milliseconds().wrapping_sub(entry.sent_ms);
        entry.id_and_flags &= !flag::WAITING;
        if age >= LIFETIME_MS { Match::Late } else { Match::Taken }
    }

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "masked to the array's power of two")]
    fn entry(&self, index: u32) -> Pending {
        self.entries[index as usize & (MAX_PENDING - 1)]
    }

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "masked to the array's power of two")]
    fn entry_mut(&mut self, index: u32) -> &mut Pending {
        &mut self.entries[index as usize & (MAX_PENDING - 1)]
    }
}

const _: () = assert!(size_of::<Pending>() == 24 && MAX_PENDING.is_power_of_two());

#[cfg(test)]
mod tests;
