//! What a record is, once its owner is known.

use super::{Found, Round, Walk, part};
use crate::dns::{CLASS_IN, MAX_FOUND, Message, half, question::Question, record_type};

/// Parameters of a service binding (RFC 9460, 14.3.2).
const IPV4_HINT: u32 = 4;
const IPV6_HINT: u32 = 6;

impl Walk {
    /// The owner is known: what the record is.
    #[inline(always)]
    pub(super) fn record(
        &mut self,
        message: &impl Message,
        question: &Question,
        found: &mut impl Found,
    ) -> Round {
        // | type 16 | class 16 | time to live 32 | length of data 16 |
        let header = self.end & 0xffff;
        let data = header + 10;
        if data > message.length() {
            return Round::Malformed;
        }
        let word = message.word(header);
        let kind = swap(word as u32) >> 16;
        let class = swap(word as u32) & 0xffff;
        let ttl = swap((word >> 32) as u32);
        let length = half(message, header + 8);
        self.next = data + length;
        if self.next > message.length() {
            return Round::Malformed;
        }
        if class != CLASS_IN {
            return Round::Advance;
        }
        // RFC 2181, 8: one with the top bit set counts as zero.
        self.record_ttl = if ttl >> 31 == 0 { ttl } else { 0 };
        self.is_owned = self.is_equal;
        match kind {
            record_type::A | record_type::AAAA => {
                let is_v6 = kind == record_type::AAAA;
                if length != if is_v6 { 16 } else { 4 } {
                    return Round::Malformed;
                }
                if self.is_equal != 1 {
                    self.is_skipped = 1;
                    return Round::Advance;
                }
                if self.found >= MAX_FOUND {
                    return Round::OverBound;
                }
                self.ttl = self.ttl.min(self.record_ttl);
                found.keep(self.found, data, is_v6);
                self.found += 1;
                Round::Advance
            }
            record_type::CNAME => {
                self.begin(part::ALIAS, data);
                self.target = data;
                Round::Next
            }
            record_type::HTTPS | record_type::SVCB => {
                let asked = question.record_type;
                if asked != kind && asked != record_type::ANY {
                    return Round::Advance;
                }
                if self.is_equal != 1 {
                    self.is_skipped = 1;
                    return Round::Advance;
                }
                if length < 3 {
                    return Round::Malformed;
                }
                self.is_usable = u32::from(half(message, data) != 0);
                self.begin(part::SERVICE, data + 2);
                self.target = data + 2;
                Round::Next
            }
            _ => Round::Advance,
        }
    }

    /// The target of a service binding is known (RFC 9460, 2.4).
    #[inline(always)]
    pub(super) fn service(&mut self) -> Round {
        // RFC 9460, 2.2: the target is not compressed.
        if self.pointers != 0 || self.end > self.next {
            return Round::Malformed;
        }
        let is_root = self.end == self.target + 1;
        if self.is_usable != 1 {
            // RFC 9460, 2.5.1: an alias to the root says that there is no service.
            return if is_root { Round::Advance } else { Round::Follow };
        }
        self.is_usable = self.is_equal | u32::from(is_root);
        (self.part, self.at, self.last_key) = (part::PARAMETERS, self.end, 0);
        Round::Next
    }

    /// One parameter of a service binding (RFC 9460, 2.2).
    #[inline(always)]
    pub(super) fn parameter(&mut self, message: &impl Message) -> Round {
        if self.at == self.next {
            return Round::Advance;
        }
        if self.at + 4 > self.next {
            return Round::Malformed;
        }
        let (key, length) = (half(message, self.at), half(message, self.at + 2));
        let (value, end) = (self.at + 4, self.at + 4 + length);
        if key < self.last_key || end > self.next {
            return Round::Malformed;
        }
        self.last_key = key + 1;
        self.at = end;
        if key != IPV4_HINT && key != IPV6_HINT {
            return Round::Next;
        }
        self.is_v6 = u32::from(key == IPV6_HINT);
        let unit = 4 + 12 * self.is_v6;
        if length == 0 || length & (unit - 1) != 0 {
            return Round::Malformed;
        }
        if self.is_usable == 1 {
            (self.part, self.at, self.hints_end) = (part::HINTS, value, end);
        }
        Round::Next
    }

    /// One address of a parameter.
    #[inline(always)]
    pub(super) fn hint(&mut self, found: &mut impl Found) -> Round {
        if self.found >= MAX_FOUND {
            return Round::OverBound;
        }
        self.ttl = self.ttl.min(self.record_ttl);
        found.keep(self.found, self.at, self.is_v6 == 1);
        self.found += 1;
        self.at += 4 + 12 * (self.is_v6 & 1);
        if self.at == self.hints_end {
            self.part = part::PARAMETERS;
        }
        Round::Next
    }
}

/// Four bytes as they came, in network order, as a number.
#[inline(always)]
const fn swap(word: u32) -> u32 {
    u32::swap_bytes(word)
}
