//! What must hold for any bytes: the bodies of the fuzz targets. Each panics where it does not
//! hold, and says whether the bytes were of interest.

use enforcer_common::{
    abi::NAME_BYTES,
    dns::{
        name::{self, KeyWriter},
        question,
        stream::{Segment, Stream},
    },
};

use super::{
    compare::{self, Class},
    reference,
    walked::Slice,
};

/// Longest message that is walked.
const MOST_BYTES: usize = 4_096;

/// What does with bytes what a fuzz target does.
pub(crate) type Target = fn(&[u8]) -> bool;

/// The targets by the names of their folders.
pub(crate) const TARGETS: [(&str, Target); 3] =
    [("dns_answer", dns_answer), ("dns_question", dns_question), ("dns_stream", dns_stream)];

/// An answer teaches what the plain rules give, and nothing else. Of interest: it teaches.
pub(crate) fn dns_answer(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    match compare::compare(bytes) {
        Ok((class, _)) => matches!(class, Class::Direct | Class::Chain | Class::Hints),
        Err(difference) => panic!("{difference}"),
    }
}

/// A question is read as the plain rules read it, and its key holds the labels of its name.
/// Of interest: there is one.
pub(crate) fn dns_question(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let message = Slice { bytes, behind: 0xc1 };
    let half = |at: usize| Some(u32::from(bytes[at]) << 8 | u32::from(*bytes.get(at + 1)?));
    let expected = reference::name(bytes, 12).filter(|name| {
        // | name | type 16 | class 16 |
        name.pointers == 0 && bytes.len() >= name.end + 4 && half(name.end + 2) == Some(1)
    });
    let read = question::question(&message);
    assert_eq!(read.is_some(), expected.is_some(), "{bytes:02x?}");
    let (Some(read), Some(name)) = (read, expected) else { return false };

    assert_eq!(usize::try_from(read.end), Ok(name.end + 4));
    assert_eq!(Some(read.record_type), half(name.end));
    assert_eq!(usize::try_from(read.labels), Ok(name.labels.len()));
    assert_eq!(read.name_bytes + 1 + 12 + 4, read.end);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    assert_eq!(read.is_plain, name.labels.iter().flatten().all(is_plain), "{bytes:02x?}");

    let mut key = Key { bytes: [0; NAME_BYTES], places: [0; 128] };
    name::write_key(&message, &read, &mut key);
    let mut at = 0;
    for (label, place) in name.labels.iter().rev().zip(key.places) {
        assert_eq!(place, at, "{bytes:02x?}");
        assert_eq!(usize::from(key.bytes[at]), label.len(), "{bytes:02x?}");
        assert_eq!(key.bytes[at + 1..at + 1 + label.len()], label[..], "{bytes:02x?}");
        at += 1 + label.len();
    }
    assert!(key.bytes[at..].iter().all(|byte| *byte == 0), "{bytes:02x?}");
    true
}

/// A segment is taken for a message only where one begins, and for a whole one only where it is
/// one. Of interest: some segment is.
///
/// ```text
/// | sequence number 32 | segments 8 | for each: where 8, bytes 8 | the stream |
/// ```
///
/// Below 128 a segment goes on where the one before has ended, otherwise it begins anywhere.
pub(crate) fn dns_stream(bytes: &[u8]) -> bool {
    let Some((start, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Some((count, rest)) = rest.split_first() else { return false };
    let Some((segments, sent)) = rest.split_at_checked(2 * usize::from(*count)) else {
        return false;
    };
    let start = u32::from_be_bytes(*start);
    let length_at =
        |at: usize| Some(usize::from(u16::from_be_bytes([*sent.get(at)?, *sent.get(at + 1)?])));
    let mut begins = vec![false; sent.len()];
    let mut at = 0;
    while let Some(length) = length_at(at) {
        begins[at] = true;
        at += 2 + length;
    }

    let mut stream = Stream::EMPTY;
    stream.accepted(start);
    let (mut next, mut has_message, mut is_exact) = (0, false, true);
    for segment in segments.chunks_exact(2) {
        let from = match segment[0] {
            0..=127 => next,
            place => usize::from(place & 127) * sent.len() / 128,
        };
        let size = usize::from(segment[1]).min(sent.len().saturating_sub(from));
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let sequence = start.wrapping_add(1).wrapping_add(number(from));
        // What stands where a segment of one byte has no second one means nothing.
        let length = if size < 2 { 0xffff } else { length_at(from).unwrap_or(0xffff) };

        let found = stream.arrived(sequence, number(size), number(length));

        let is_begin = size >= 2 && begins.get(from) == Some(&true);
        match found {
            Segment::Whole => assert!(is_begin && size == 2 + length, "{bytes:02x?}"),
            Segment::First => assert!(is_begin && size > 2 + length, "{bytes:02x?}"),
            Segment::Nothing | Segment::Broken => {}
        }
        // The twin: as long as each segment is the next message, each is found.
        is_exact &= from == next && is_begin && size == 2 + length;
        assert!(!is_exact || found == Segment::Whole, "{bytes:02x?}");
        has_message |= matches!(found, Segment::Whole | Segment::First);
        next = from + size;
    }
    has_message
}

/// A key that is written to.
struct Key {
    bytes: [u8; NAME_BYTES],
    places: [usize; 128],
}

impl KeyWriter for Key {
    fn put(&mut self, at: u32, byte: u32) {
        self.bytes[at as usize] = u8::try_from(byte).expect("a byte");
    }

    fn put_label(&mut self, label: u32, at: u32) {
        self.places[label as usize] = at as usize;
    }
}
