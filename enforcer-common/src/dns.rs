//! DNS messages (RFC 1035), as far as an egress firewall has to understand them: which question
//! is asked, and to which addresses an answer leads.
//!
//! One walker for the kernel, where a message lies in scratch memory, and for tests and fuzz
//! targets, where it lies in a slice. It teaches all or nothing: addresses are only collected
//! while the answer section is walked, and count when its end is reached cleanly.
//!
//! The surprising thing: records are not parsed one after the other by functions that loop over
//! labels. [`walk`] is one flat loop of [`MAX_ROUNDS`] rounds, each of which takes one label, one
//! record or one address, because the kernel's verifier follows every round of every loop and
//! gives up where loops nest.

pub mod answer;
pub mod asked;
pub mod check;
pub mod name;
pub mod pending;
pub mod question;
pub mod stream;
pub mod walk;

use crate::verdict::numbered;

/// Longest message that is walked; a longer one is left to the agent.
pub const MAX_MESSAGE: u32 = 4_096;

/// Longest message over UDP that cannot have been put together from fragments (RFC 9715), whose
/// later parts carry neither port nor id.
pub const MAX_UNFRAGMENTED: u32 = 1_232;

/// Bytes of the header (RFC 1035, 4.1.1).
pub const HEADER_BYTES: u32 = 12;

/// Addresses that one answer can teach; an answer with more is left to the agent.
pub const MAX_FOUND: u32 = 72;

/// Record types (IANA registry).
pub mod record_type {
    /// IPv4 address.
    pub const A: u32 = 1;
    /// Alias.
    pub const CNAME: u32 = 5;
    /// IPv6 address.
    pub const AAAA: u32 = 28;
    /// Service binding (RFC 9460).
    pub const SVCB: u32 = 64;
    /// Service binding for HTTPS (RFC 9460).
    pub const HTTPS: u32 = 65;
    /// In a question: all types.
    pub const ANY: u32 = 255;
}

/// The class of the Internet.
pub(crate) const CLASS_IN: u32 = 1;

/// A message in memory.
pub trait Message {
    /// Bytes of the message, [`MAX_MESSAGE`] at the most.
    fn length(&self) -> u32;

    /// The byte at `at`; some byte where the message has none: whoever cares compares with
    /// [`Self::length`].
    fn byte(&self, at: u32) -> u32;

    /// Eight bytes from `at` on, the first in the lowest bits; some bytes past the end.
    fn word(&self, at: u32) -> u64;

    /// Returns `value`; see [`crate::packet::Bytes::forget`].
    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        value
    }
}

/// Two bytes in network order.
#[inline(always)]
pub(crate) fn half(message: &impl Message, at: u32) -> u32 {
    message.byte(at) << 8 | message.byte(at + 1)
}

/// A letter in lower case, any other byte as it is (RFC 4343), without a branch.
#[inline(always)]
pub(crate) const fn fold(byte: u32) -> u32 {
    let is_upper = !(byte.wrapping_sub(0x41) | 0x5a_u32.wrapping_sub(byte)) >> 31;
    byte | is_upper << 5
}

/// As [`fold`], for eight bytes at once.
#[inline(always)]
pub(crate) const fn fold_word(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const EACH: u64 = 0x0101_0101_0101_0101;
    let seven = word & LOW;
    // The top bit of each byte: at least `A`; more than `Z`; is ASCII.
    let from_a = seven + (0x80 - 0x41) * EACH;
    let past_z = seven + (0x80 - 0x5b) * EACH;
    let is_upper = from_a & !past_z & !word & (0x80 * EACH);
    word | is_upper >> 2
}

numbered! {
    /// What became of an answer, of one of its addresses, or of a question. Numbers are never
    /// reused; new ones go to the end.
    Learning {
        /// The answer taught at least one address.
        Learned = 0, "learned";
        /// No pattern of the policy covers the name asked.
        NoRule = 1, "no-rule";
        /// No question of this socket waits for it: wrong id, wrong server, or answered before.
        NotPending = 2, "not-pending";
        /// The question is another than the one asked, or in other letters.
        QuestionMismatch = 3, "question-mismatch";
        /// Against the rules of the format.
        Malformed = 4, "malformed";
        /// The server says that it has failed or that there is no such name.
        Negative = 5, "negative";
        /// Cut short by the server (TC): what it holds whole is learned, the rest is asked for.
        Truncated = 6, "truncated";
        /// A question whose answer holds no addresses.
        OtherType = 7, "other-type";
        /// More records or bytes than the kernel walks; the agent asks.
        OverBound = 8, "over-bound";
        /// Aliases behind the addresses they lead to; the agent asks.
        OutOfOrder = 9, "out-of-order";
        /// Long enough to have been put together from fragments; the agent asks.
        Fragmentable = 10, "fragmentable";
        /// Over TCP, and not one whole message in one segment; the agent asks.
        Segmented = 11, "segmented";
        /// An address that a public name must not open.
        SpecialAddress = 12, "special-address";
        /// The map of addresses is full.
        MapFull = 13, "map-full";
        /// The answer gives no address, or none that may be learned.
        NoAddress = 14, "no-address";
        /// Ten seconds or more after the question.
        Late = 15, "late";
        /// By the loopback device though the question left by another or the resolver is elsewhere; in
        /// the latter case the agent asks.
        OtherPath = 16, "other-path";
        /// The network namespace of the socket is not known: it is older than the hooks.
        UnknownNamespace = 17, "unknown-namespace";
        /// An address was written.
        Address = 18, "address";
        /// A question was handed to the agent.
        HandedOver = 19, "handed-over";
        /// A question could not be handed to the agent: the ring is full.
        NotHandedOver = 20, "not-handed-over";
        /// A question was asked of a trusted resolver.
        Asked = 21, "asked";
        /// The rule has as many addresses as it may have ([`crate::quota`]).
        Quota = 22, "quota";
    }
}

impl Learning {
    /// Whether it is what became of a whole answer.
    pub const fn is_of_answer(self) -> bool {
        !matches!(
            self,
            Self::SpecialAddress
                | Self::Address
                | Self::HandedOver
                | Self::NotHandedOver
                | Self::Asked
        )
    }

    /// Whether something was not learned that the word tells the reason of.
    pub const fn is_ignored(self) -> bool {
        !matches!(self, Self::Learned | Self::Address | Self::HandedOver | Self::Asked)
    }
}

#[cfg(test)]
pub(crate) mod tests;
