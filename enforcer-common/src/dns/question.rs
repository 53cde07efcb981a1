//! The header and the question of a message: what is asked, under which id.

use super::{CLASS_IN, HEADER_BYTES, Message, fold, half};

/// Longest name on the wire without its root (RFC 1035, 2.3.4: 255 with it).
pub const MAX_NAME: u32 = 254;
/// Longest label.
pub(crate) const MAX_LABEL: u32 = 63;

/// FNV-1a, 64 bits: quick in one multiplication a byte. It does not keep out whoever can choose
/// both questions; who could, asks the trusted resolver himself.
const HASH_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A question, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Hash of its bytes as sent: name, type, class.
    pub hash: u64,
    /// The same with letters in lower case.
    pub folded: u64,
    /// Hash of the name alone, in lower case.
    pub name_hash: u64,
    /// Bytes of the name without its root.
    pub name_bytes: u32,
    /// Labels of the name.
    pub labels: u32,
    /// Type asked for.
    pub record_type: u32,
    /// Offset of what follows the question.
    pub end: u32,
    /// Whether a pattern can match it: letters, digits, `-` and `_` only.
    pub is_plain: bool,
}

/// The fields of a header that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Transaction id.
    pub id: u32,
    /// QR: an answer.
    pub is_answer: bool,
    /// OPCODE; 0 is a query.
    pub opcode: u32,
    /// TC: cut short.
    pub is_truncated: bool,
    /// RCODE; 0 is no error.
    pub code: u32,
    /// QDCOUNT.
    pub questions: u32,
    /// ANCOUNT.
    pub answers: u32,
}

/// Reads the header; `None` where the message is shorter.
#[inline(always)]
pub fn header(message: &impl Message) -> Option<Header> {
    if message.length() < HEADER_BYTES {
        return None;
    }
    // | QR 1 | OPCODE 4 | AA 1 | TC 1 | RD 1 | RA 1 | Z 3 | RCODE 4 |
    let flags = half(message, 2);
    Some(Header {
        id: half(message, 0),
        is_answer: flags >> 15 != 0,
        opcode: flags >> 11 & 0xf,
        is_truncated: flags & 0x200 != 0,
        code: flags & 0xf,
        questions: half(message, 4),
        answers: half(message, 6),
    })
}

/// Reads the one question behind the header; `None` where it is malformed (a compression pointer
/// included), or of another class than the Internet's.
#[inline(always)]
pub fn question(message: &impl Message) -> Option<Question> {
    let (mut hash, mut folded) = (HASH_BASIS, HASH_BASIS);
    let (mut labels, mut left, mut odd, mut bad) = (0, 0, 0, 0);
    let mut end = 0;
    for index in 0..=MAX_NAME {
        left = message.forget(left) & MAX_LABEL;
        labels = message.forget(labels) & 0xff;
        odd = message.forget(odd) & 1;
        bad = message.forget(bad) & 1;
        let byte = message.byte(HEADER_BYTES + index);
        (hash, folded) = (mixed(hash, byte), mixed(folded, fold(byte)));
        // 1 for the length of a label, 0 for a byte of one; no branch but the one at the end.
        let is_length = is_zero(message, left);
        if is_length & is_zero(message, byte) == 1 {
            end = HEADER_BYTES + index + 1;
            break;
        }
        bad |= is_length & (byte >> 6 | byte >> 7);
        odd |= (is_length ^ 1) & is_odd(byte);
        labels += is_length;
        left = left.wrapping_sub(1) & is_length.wrapping_sub(1) | byte & is_length.wrapping_neg();
    }
    if message.forget(bad) & 1 == 1 {
        return None;
    }
    let end = message.forget(end) & 0x1ff;
    let labels = message.forget(labels) & 0xff;
    if end == 0 || end + 4 > message.length() {
        return None;
    }
    let name_hash = folded;
    for index in 0..4 {
        let byte = message.byte(end + index);
        (hash, folded) = (mixed(hash, byte), mixed(folded, byte));
    }
    if half(message, end + 2) != CLASS_IN {
        return None;
    }
    Some(Question {
        hash,
        folded,
        name_hash,
        name_bytes: end - HEADER_BYTES - 1,
        labels,
        record_type: half(message, end),
        end: end + 4,
        is_plain: message.forget(odd) == 0,
    })
}

/// The hash of a name in wire format, root included, as [`Question::name_hash`].
#[cfg(feature = "user")]
pub fn name_hash(name: impl IntoIterator<Item = u8>) -> u64 {
    name.into_iter().fold(HASH_BASIS, |hash, byte| mixed(hash, fold(u32::from(byte))))
}

/// 1 for zero, 0 for any other value below 2^31; without a branch, of which the verifier follows
/// each: behind `forget` the compiler does not see a comparison in it.
#[inline(always)]
pub(super) fn is_zero(message: &impl Message, value: u32) -> u32 {
    (value | message.forget(value).wrapping_neg()) >> 31 ^ 1
}

#[inline(always)]
const fn mixed(hash: u64, byte: u32) -> u64 {
    (hash ^ byte as u64).wrapping_mul(HASH_PRIME)
}

/// The bytes below 128 that can match a rule, a bit each: letters, digits, `-` and `_`.
const PLAIN: [u64; 2] = [0x03ff_2000_0000_0000, 0x07ff_fffe_87ff_fffe];

/// 1 where a byte can match no rule; without a branch, of which a path has only so many.
#[inline(always)]
const fn is_odd(byte: u32) -> u32 {
    let [low, high] = PLAIN;
    let is_high = (byte as u64 >> 6 & 1).wrapping_neg();
    let bits = low ^ (low ^ high) & is_high;
    let is_plain = (bits >> (byte & 63)) as u32 & !(byte >> 7) & 1;
    is_plain ^ 1
}

#[cfg(test)]
mod tests;
