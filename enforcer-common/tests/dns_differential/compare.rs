//! One message, learned from twice.

use super::{
    reference,
    walked::{self, Outcome},
};

/// What a message was an example of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Addresses of the name asked.
    Direct,
    /// Addresses behind one alias or more.
    Chain,
    /// Address hints of a service binding, of the name asked or behind an alias.
    Hints,
    /// Whole, without an address.
    NoAddress,
    /// Against the rules.
    Malformed,
    /// No answer that is looked at.
    Ignored,
    /// More than is walked.
    OverBound,
    /// For the agent, since the order is another one, and there is something to learn.
    OutOfOrder,
    /// For the agent, though the order turns out to be no obstacle.
    OutOfOrderInVain,
    /// A name with more pointers than have to be followed.
    Deep,
}

/// Learns from a message by the walker and by the plain rules, and says whether the library that
/// the rules were written over has read the message too.
///
/// # Errors
///
/// Says where the two differ: the walker learns what the rules do not give, or it does not learn
/// what they give though it did not leave the message to the agent.
pub(crate) fn compare(bytes: &[u8]) -> Result<(Class, bool), String> {
    let ours = walked::learn(bytes);
    let verdict = reference::learn(bytes);
    let class = match (&ours, &verdict.outcome) {
        (
            Outcome::Whole { addresses, ttl },
            Outcome::Whole { addresses: theirs, ttl: shortest },
        ) if addresses == theirs && (ttl == shortest || addresses.is_empty()) => {
            match (addresses.is_empty(), verdict.has_hints, verdict.steps) {
                (true, _, _) => Class::NoAddress,
                (_, true, _) => Class::Hints,
                (_, _, 0) => Class::Direct,
                _ => Class::Chain,
            }
        }
        (Outcome::Malformed, Outcome::Malformed) => Class::Malformed,
        (Outcome::Ignored, Outcome::Ignored) => Class::Ignored,
        // Nothing is learned, and a shorter walk may not have met the record that is malformed.
        (Outcome::OverBound, Outcome::Whole { .. } | Outcome::Malformed) => Class::OverBound,
        (Outcome::OutOfOrder, Outcome::Whole { addresses, .. })
            if verdict.is_reordered && !addresses.is_empty() =>
        {
            Class::OutOfOrder
        }
        (Outcome::OutOfOrder, Outcome::Whole { .. } | Outcome::Malformed) => {
            Class::OutOfOrderInVain
        }
        (Outcome::Malformed, _) if verdict.is_deep => Class::Deep,
        _ => return Err(format!("walker: {ours:?}\nrules: {verdict:?}\nmessage: {bytes:02x?}")),
    };
    Ok((class, verdict.is_confirmed))
}
