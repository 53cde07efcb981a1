//! Questions of others that pass an uplink, each by itself in a table.

use super::{
    pending::{Circumstance, LIFETIME_NS, Match},
    question::Question,
};
use crate::flow::FlowKey;

/// A question on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AskedKey {
    /// Between whom, as the uplink sees it.
    pub flow: FlowKey,
    /// Transaction id.
    pub id: u32,
}

/// What it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AskedEntry {
    /// [`Question::hash`].
    pub question: u64,
    /// Boot time in nanoseconds.
    pub sent_ns: u64,
    /// Number of the resolver.
    pub resolver: u32,
    /// The lower half of [`Question::folded`].
    pub folded: u32,
}

impl AskedEntry {
    /// A question that is asked.
    #[inline(always)]
    pub const fn new(question: &Question, resolver: u32, now_ns: u64) -> Self {
        let folded = question.folded as u32;
        Self { question: question.hash, sent_ns: now_ns, resolver, folded }
    }

    /// Whether an answer with its id is about it.
    #[inline(always)]
    pub const fn matches(&self, question: &Question, answered: &Circumstance) -> Match {
        if self.resolver != answered.resolver {
            Match::Unknown
        } else if self.question == question.hash {
            let age = answered.now_ns.saturating_sub(self.sent_ns);
            if age >= LIFETIME_NS { Match::Late } else { Match::Taken }
        } else if self.folded == question.folded as u32 {
            Match::OtherCase
        } else {
            Match::OtherQuestion
        }
    }
}

const _: () = assert!(size_of::<AskedKey>() == 44 && align_of::<AskedKey>() == 4);
const _: () = assert!(size_of::<AskedEntry>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question {
        hash: 7,
        folded: 8,
        name_hash: 9,
        name_bytes: 0,
        labels: 0,
        record_type: 1,
        end: 0,
        is_plain: true,
    };
    const ANSWERED: Circumstance =
        Circumstance { resolver: 1, id: 2, now_ns: LIFETIME_NS, is_loopback: false };

    #[test]
    fn only_this_very_question_of_this_resolver_in_time_is_answered() {
        let asked = AskedEntry::new(&QUESTION, 1, 1);

        assert_eq!(asked.matches(&QUESTION, &ANSWERED), Match::Taken);
        let late = Circumstance { now_ns: LIFETIME_NS + 1, ..ANSWERED };
        assert_eq!(asked.matches(&QUESTION, &late), Match::Late);
        let other = Circumstance { resolver: 3, ..ANSWERED };
        assert_eq!(asked.matches(&QUESTION, &other), Match::Unknown);
        let other = Question { hash: 6, ..QUESTION };
        assert_eq!(asked.matches(&other, &ANSWERED), Match::OtherCase);
        let other = Question { hash: 6, folded: 6, ..QUESTION };
        assert_eq!(asked.matches(&other, &ANSWERED), Match::OtherQuestion);
    }
}
