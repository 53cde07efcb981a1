//! Which answers are walked at all.

use super::{
    Learning,
    question::{Header, Question},
    record_type,
};

/// What keeps an answer from teaching anything, other than its records.
///
/// An NXDOMAIN with an address in it is an attack or a server that makes names up.
#[inline(always)]
pub fn refuse(header: &Header, question: &Question) -> Option<Learning> {
    if header.opcode != 0 || header.questions != 1 {
        return Some(Learning::Malformed);
    }
    if header.code != 0 {
        return Some(Learning::Negative);
    }
    match question.record_type {
        record_type::A
        | record_type::AAAA
        | record_type::HTTPS
        | record_type::SVCB
        | record_type::ANY => None,
        _ => Some(Learning::OtherType),
    }
}
