//! DNS over TCP: where in the stream of answers a message begins.
//!
//! A segment is read as a message only where the stream says that one begins, never because it
//! looks like one: who asks for a long text of his own name, and for an allowed name behind it on
//! the same connection, can make the text imitate the other answer.

use crate::abi::QUESTION_BYTES;

/// Questions of a connection that can be handed to the agent: the latest ones.
pub const MAX_QUESTIONS: usize = 4;

/// Values of [`Stream::state`].
mod state {
    /// Nothing was seen.
    pub(super) const NEW: u32 = 0;
    /// [`super::Stream::next`] is where the next message begins.
    pub(super) const KNOWN: u32 = 1;
    /// It is not known any more where messages begin.
    pub(super) const LOST: u32 = 2;
}

/// A question for the agent: the beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct HandedOver {
    /// Number of the resolver that was asked.
    pub resolver: u32,
    /// Why ([`super::Learning`]).
    pub why: u32,
    /// Bytes of `message` that count; 0: there is none.
    pub bytes: u32,
    /// Zero.
    pub padding: u32,
    /// Header and question, as asked or answered.
    pub message: [u8; QUESTION_BYTES],
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Stream {
    /// Sequence number of the first byte of the next message.
    next: u32,
    state: u32,
    /// How many questions there were.
    pub asked: u32,
    /// 1 where the questions leave by the loopback device.
    pub is_loopback: u32,
    /// The latest of them.
    pub questions: [HandedOver; MAX_QUESTIONS],
}

/// What a segment of answers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Nothing to look at: no data, seen before, or the middle of a message.
    Nothing,
    /// One message, and no other byte.
    Whole,
    /// One message, and more behind it, where it is not known any more where messages begin.
    First,
    /// The beginning of a message, or something unknown: its question is for the agent.
    Broken,
}

impl Stream {
    /// A connection of which nothing is known.
    pub const EMPTY: Self = Self {
        next: 0,
        state: state::NEW,
        asked: 0,
        is_loopback: 0,
        questions: [HandedOver {
            resolver: 0,
            why: 0,
            bytes: 0,
            padding: 0,
            message: [0; QUESTION_BYTES],
        }; MAX_QUESTIONS],
    };

    /// A segment leaves by the loopback device (1) or by another (0). A connection that changes
    /// between the two is one whose sender chooses who can answer.
    #[inline(always)]
    pub const fn leaves_by(&mut self, is_loopback: u32) {
        if self.state == state::NEW {
            self.is_loopback = is_loopback;
        } else if self.is_loopback != is_loopback {
            self.state = state::LOST;
        }
    }

    /// The server accepts the connection; its stream begins behind this sequence number.
    #[inline(always)]
    pub fn accepted(&mut self, sequence: u32) {
        let first = sequence.wrapping_add(1);
        if self.state == state::NEW {
            (self.state, self.next) = (state::KNOWN, first);
        } else if self.next != first {
            // Not a repetition of what began the connection.
            self.state = state::LOST;
        }
    }

    /// The server sends `bytes` bytes, of which `length` are the length of a message if one begins
    /// with them.
    #[inline(always)]
    pub fn arrived(&mut self, sequence: u32, bytes: u32, length: u32) -> Segment {
        if bytes == 0 || self.state == state::LOST {
            return Segment::Nothing;
        }
        let ahead = sequence.wrapping_sub(self.next);
        let end = ahead.wrapping_add(bytes);
        if self.state == state::KNOWN && end.wrapping_sub(1) >> 31 != 0 {
            // All of it is in front of the next message: a repetition, or the middle of one.
            return Segment::Nothing;
        }
        if self.state == state::NEW || ahead != 0 || bytes < 2 {
            self.state = state::LOST;
            return Segment::Broken;
        }
        self.next = sequence.wrapping_add(2 + length);
        if bytes == 2 + length {
            return Segment::Whole;
        }
        if bytes > 2 + length {
            self.state = state::LOST;
            return Segment::First;
        }
        Segment::Broken
    }
}

const _: () = assert!(size_of::<HandedOver>() == 16 + QUESTION_BYTES);
const _: () = assert!(size_of::<Stream>() == 16 + MAX_QUESTIONS * (16 + QUESTION_BYTES));

#[cfg(test)]
mod tests;
