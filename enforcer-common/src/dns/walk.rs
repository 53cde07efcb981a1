//! The answer section: from the name asked to the addresses that the answer itself leads to.
//!
//! ```text
//! CNAME of the current name            -> its target is the current name
//! A, AAAA of the current name          -> found
//! HTTPS, SVCB of the current name      -> alias: as CNAME; service: its address hints are found
//! anything else                        -> skipped by its length
//! ```
//!
//! Aliases have to come before what they lead to (RFC 1034, 3.6.2 leaves the order to the server,
//! and servers put it so); an answer in another order is not for the kernel.
//!
//! Each round of the loop takes one label, eight bytes of one, one record or one address, and
//! leaves what it found to the next: few ways lead through a round, and they do not multiply. The
//! current name is compared where it stands, label by label, and where a record's owner is a
//! pointer to that very place, as servers write it, by that alone.

mod record;

use super::{
    HEADER_BYTES, Message, fold_word,
    question::{MAX_NAME, Question},
};

/// Rounds of the walk: seventy addresses, which fill 1,232 bytes, take one each, and an alias with a
/// target of five labels seven.
pub const MAX_ROUNDS: u32 = 120;
/// Longest chain of aliases.
const MAX_STEPS: u32 = 16;
/// Most compression pointers in one name.
const MAX_POINTERS: u32 = 32;
/// Bytes of a label that one round compares.
const COMPARED: u32 = 8;

/// Where found addresses are kept.
pub trait Found {
    /// The address number `index` stands at `at`: four bytes, or sixteen where `is_v6`.
    fn keep(&mut self, index: u32, at: u32, is_v6: bool);
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    /// At the end of the answer section.
    Whole {
        /// Addresses kept.
        found: u32,
        /// The shortest time to live on the way to them, in seconds.
        ttl: u32,
    },
    /// Against the rules; nothing may be learned.
    Malformed,
    /// More than is walked.
    OverBound,
    /// An alias stands behind an address or alias that it could lead to.
    OutOfOrder,
}

/// What [`Walk::round`] answers at the end of a walk.
pub const ENDED: u32 = 1;

/// How a walk ended, as a number in memory.
mod outcome {
    pub(super) const OVER_BOUND: u32 = 0;
    pub(super) const WHOLE: u32 = 1;
    pub(super) const MALFORMED: u32 = 2;
    pub(super) const OUT_OF_ORDER: u32 = 3;
}

/// What a round takes.
mod part {
    /// A label of the owner of a record.
    pub(super) const OWNER: u32 = 0;
    /// A label of the target of a CNAME.
    pub(super) const ALIAS: u32 = 1;
    /// A label of the target of a service binding.
    pub(super) const SERVICE: u32 = 2;
    /// What is added once such a name has come to its end.
    pub(super) const NAMED: u32 = 3;
    pub(super) const OWNER_NAMED: u32 = OWNER + NAMED;
    pub(super) const ALIAS_NAMED: u32 = ALIAS + NAMED;
    pub(super) const SERVICE_NAMED: u32 = SERVICE + NAMED;
    /// A parameter of a service binding.
    pub(super) const PARAMETERS: u32 = 6;
    /// An address in one parameter.
    pub(super) const HINTS: u32 = 7;
}

/// What the next round goes on with.
///
/// The kernel keeps it in map memory, of whose content its verifier knows nothing: so all paths
/// through one round are one for the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Walk {
    part: u32,
    /// Where the round reads.
    at: u32,
    /// Where the run of labels began that is being read.
    run: u32,
    /// What follows the name, once a pointer was met; 0 before.
    end: u32,
    /// Pointers met in this name.
    pointers: u32,
    /// Bytes of this name so far.
    bytes: u32,
    /// Where the current name is compared.
    with: u32,
    /// Bytes of the label that were compared.
    inside: u32,
    /// 1 while the name equals the current one.
    is_equal: u32,
    /// 1 where the record's owner did.
    is_owned: u32,
    /// 1 where the hints of the record count.
    is_usable: u32,
    /// Where the target of the record stands.
    target: u32,
    /// The number of the parameter before, plus one.
    last_key: u32,
    /// The end of the hints.
    hints_end: u32,
    is_v6: u32,
    /// The end of the record.
    next: u32,
    records: u32,
    record_ttl: u32,
    /// Where the current name stands.
    current: u32,
    steps: u32,
    ttl: u32,
    found: u32,
    /// 1 where a record was skipped that an alias behind it could lead to.
    is_skipped: u32,
    /// One of [`outcome`].
    outcome: u32,
}

/// One round's outcome.
enum Round {
    /// The next one goes on where this one left off.
    Next,
    /// The record is done.
    Advance,
    /// The record's target is the current name from now on.
    Follow,
    /// Against the rules.
    Malformed,
    /// More addresses than are kept.
    OverBound,
}

/// Walks the answer section of `records` records behind the question.
pub fn walk(
    message: &impl Message,
    question: &Question,
    records: u32,
    found: &mut impl Found,
) -> Walked {
    let mut walk = Walk::default();
    walk.start(question, records);
    for _ in 0..MAX_ROUNDS {
        if walk.round(message, question, found) == ENDED {
            break;
        }
    }
    walk.result()
}

impl Walk {
    /// Stands before the first record.
    #[inline(always)]
    pub fn start(&mut self, question: &Question, records: u32) {
        self.records = records;
        self.current = HEADER_BYTES;
        self.ttl = u32::MAX;
        (self.steps, self.found, self.is_skipped) = (0, 0, 0);
        self.outcome = outcome::OVER_BOUND;
        self.begin(part::OWNER, question.end);
    }

    /// What became of it.
    #[inline(always)]
    pub const fn result(&self) -> Walked {
        match self.outcome {
            outcome::WHOLE => Walked::Whole { found: self.found, ttl: self.ttl },
            outcome::MALFORMED => Walked::Malformed,
            outcome::OUT_OF_ORDER => Walked::OutOfOrder,
            _ => Walked::OverBound,
        }
    }

    /// How many addresses were kept.
    #[inline(always)]
    pub const fn found(&self) -> u32 {
        self.found
    }

    /// Takes one label, one record or one address; [`ENDED`] where there is nothing left to take.
    #[inline(always)]
    pub fn round(
        &mut self,
        message: &impl Message,
        question: &Question,
        found: &mut impl Found,
    ) -> u32 {
        if self.records == 0 {
            self.outcome = outcome::WHOLE;
            return ENDED;
        }
        self.skip_same_owner(message);
        let round = match self.part {
            part::OWNER_NAMED => self.record(message, question, found),
            part::ALIAS_NAMED => self.alias(),
            part::SERVICE_NAMED => self.service(),
            part::PARAMETERS => self.parameter(message),
            part::HINTS => self.hint(found),
            _ => self.name(message),
        };
        match round {
            Round::Next => {}
            Round::Advance => self.advance(),
            Round::Follow => {
                if self.is_skipped == 1 {
                    self.outcome = outcome::OUT_OF_ORDER;
                    return ENDED;
                }
                self.steps += 1;
                if self.steps > MAX_STEPS {
                    self.outcome = outcome::MALFORMED;
                    return ENDED;
                }
                self.ttl = self.ttl.min(self.record_ttl);
                self.current = self.target;
                self.advance();
            }
            Round::Malformed => {
                self.outcome = outcome::MALFORMED;
                return ENDED;
            }
            // As it began.
            Round::OverBound => return ENDED,
        }
        0
    }

    /// Takes an owner that is a pointer to the current name, as servers write it, without a round
    /// of its own.
    #[inline(always)]
    fn skip_same_owner(&mut self, message: &impl Message) {
        let first = message.byte(self.at);
        if self.part != part::OWNER || self.at != self.run || self.pointers != 0 || first < 0xc0 {
            return;
        }
        let target = (first & 0x3f) << 8 | message.byte(self.at + 1);
        // The current name stands in front of every record that is still to come.
        if target == self.current && self.at + 1 < message.length() {
            (self.end, self.part) = (self.at + 2, part::OWNER_NAMED);
        }
    }

    /// Begins a name.
    #[inline(always)]
    fn begin(&mut self, part: u32, at: u32) {
        (self.part, self.at, self.run, self.end) = (part, at, at, 0);
        (self.pointers, self.bytes, self.inside) = (0, 0, 0);
        (self.with, self.is_equal) = (self.current, 1);
    }

    /// Ends a record.
    #[inline(always)]
    fn advance(&mut self) {
        self.records -= 1;
        self.begin(part::OWNER, self.next);
    }

    /// One label, a part of one, or a pointer.
    #[inline(always)]
    fn name(&mut self, message: &impl Message) -> Round {
        let length = message.byte(self.at);
        if self.at >= message.length() {
            return Round::Malformed;
        }
        if length >= 0xc0 {
            return self.pointer(message, length);
        }
        if length > 0x3f {
            return Round::Malformed;
        }
        let other = message.byte(self.with);
        if self.is_equal == 1 && other >= 0xc0 {
            // Was followed when the name it is in was walked.
            self.with = (other & 0x3f) << 8 | message.byte(self.with + 1);
            return Round::Next;
        }
        self.is_equal &= u32::from(length == other);
        if length == 0 {
            return self.named(self.at + 1);
        }
        if self.bytes + length + 1 > MAX_NAME || self.at + length + 1 >= message.length() {
            return Round::Malformed;
        }
        if self.is_equal == 1 {
            let left = length - self.inside;
            let (here, there) = (self.at + 1 + self.inside, self.with + 1 + self.inside);
            if differs(message, here, there, left) {
                self.is_equal = 0;
            } else if left > COMPARED {
                self.inside += COMPARED;
                return Round::Next;
            }
        }
        self.bytes += length + 1;
        self.at += length + 1;
        self.with += length + 1;
        self.inside = 0;
        Round::Next
    }

    /// A compression pointer (RFC 1035, 4.1.4): strictly below where the run of labels began that
    /// it ends, so that every name comes to an end.
    #[inline(always)]
    fn pointer(&mut self, message: &impl Message, first: u32) -> Round {
        let target = (first & 0x3f) << 8 | message.byte(self.at + 1);
        if self.at + 1 >= message.length()
            || target >= self.run
            || target < HEADER_BYTES
            || self.pointers >= MAX_POINTERS
        {
            return Round::Malformed;
        }
        self.pointers += 1;
        if self.is_equal == 1 && target == self.with {
            // Was walked when it became a part of the current name.
            return self.named(self.at + 2);
        }
        if self.end == 0 {
            self.end = self.at + 2;
        }
        (self.at, self.run) = (target, target);
        Round::Next
    }

    /// A name has come to its end, which `end` follows if no pointer came before.
    #[inline(always)]
    fn named(&mut self, end: u32) -> Round {
        if self.end == 0 {
            self.end = end;
        }
        self.part += part::NAMED;
        Round::Next
    }

    /// The target of an alias is known.
    #[inline(always)]
    fn alias(&mut self) -> Round {
        if self.end != self.next {
            return Round::Malformed;
        }
        if self.is_owned != 1 {
            self.is_skipped = 1;
            return Round::Advance;
        }
        Round::Follow
    }
}

/// Whether the next bytes differ, `left` of them and eight at the most; letters without case.
#[inline(always)]
fn differs(message: &impl Message, here: u32, there: u32, left: u32) -> bool {
    let different = fold_word(message.word(here)) ^ fold_word(message.word(there));
    different & first_bytes(left) != 0
}

/// Ones in the lowest `count` bytes.
#[inline(always)]
const fn first_bytes(count: u32) -> u64 {
    if count >= 8 { u64::MAX } else { (1 << (count << 3)) - 1 }
}

#[cfg(test)]
mod tests;
