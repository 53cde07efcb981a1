//! What the walker makes of a message in a slice.

use std::net::IpAddr;

use enforcer_common::dns::{
    Message, answer, question,
    walk::{self, Found, Walked},
};

/// What is learned from a message, or why nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not an answer to a question about addresses, or a refusal.
    Ignored,
    /// Against the rules of the format.
    Malformed,
    /// More than is walked.
    OverBound,
    /// Aliases behind what they lead to.
    OutOfOrder,
    /// The whole answer section was walked.
    Whole {
        /// In the order of the records.
        addresses: Vec<IpAddr>,
        /// The shortest on the way; without meaning where there are no addresses.
        ttl: u32,
    },
}

/// A message with some byte behind its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    /// The message.
    pub(crate) bytes: &'a [u8],
    /// What is read where it has none.
    pub(crate) behind: u8,
}

impl Message for Slice<'_> {
    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn byte(&self, at: u32) -> u32 {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        u32::from(self.bytes.get(at).copied().unwrap_or(self.behind))
    }

    fn word(&self, at: u32) -> u64 {
        (0..8).fold(0, |word, index| word | u64::from(self.byte(at + index)) << (8 * index))
    }
}

/// Offsets of addresses in a message.
#[derive(Debug, Default)]
pub(crate) struct Places(pub(crate) Vec<(u32, bool)>);

impl Found for Places {
    fn keep(&mut self, index: u32, at: u32, is_v6: bool) {
        assert_eq!(usize::try_from(index).ok(), Some(self.0.len()), "the places are numbered");
        self.0.push((at, is_v6));
    }
}

/// Learns from a message, whatever lies behind it in memory.
pub(crate) fn learn(bytes: &[u8]) -> Outcome {
    let [zeros, others] = [0, 0xc1].map(|behind| learn_from(&Slice { bytes, behind }));
    assert_eq!(zeros, others, "what lies behind the message matters");
    zeros
}

fn learn_from(message: &Slice<'_>) -> Outcome {
    let Some(header) = question::header(message).filter(|header| header.is_answer) else {
        return Outcome::Ignored;
    };
    let Some(question) = question::question(message) else { return Outcome::Ignored };
    if answer::refuse(&header, &question).is_some() {
        return Outcome::Ignored;
    }
    let mut places = Places::default();
    match walk::walk(message, &question, header.answers, &mut places) {
        Walked::Malformed => Outcome::Malformed,
        Walked::OverBound => Outcome::OverBound,
        Walked::OutOfOrder => Outcome::OutOfOrder,
        Walked::Whole { found, ttl } => {
            assert_eq!(usize::try_from(found).ok(), Some(places.0.len()), "as many as were kept");
            let read = |(at, is_v6)| address(message.bytes, at, is_v6);
            Outcome::Whole { addresses: places.0.into_iter().map(read).collect(), ttl }
        }
    }
}

/// Reads an address; panics where it does not lie in the message.
fn address(bytes: &[u8], at: u32, is_v6: bool) -> IpAddr {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    if is_v6 {
        let mut octets = [0; 16];
        octets.copy_from_slice(&bytes[at..at + 16]);
        octets.into()
    } else {
        let mut octets = [0; 4];
        octets.copy_from_slice(&bytes[at..at + 4]);
        octets.into()
    }
}
