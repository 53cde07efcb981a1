use std::{vec, vec::Vec};

use super::{
    Segment::{self, Broken, First, Nothing, Whole},
    Stream,
};

/// Sequence numbers at which a connection may begin; the last go round within its first bytes.
const STARTS: [u32; 6] = [0, 1, 0x7fff_fff0, 0x8000_0000, u32::MAX - 20, u32::MAX];

/// Segments of one connection: offset in the stream behind the handshake, bytes, the length of a
/// message that its first two bytes would be, and what it is.
type Case = (&'static str, &'static [(i32, u32, u32, Segment)]);

const CASES: [Case; 15] = [
    ("one message", &[(0, 52, 50, Whole)]),
    ("one after the other", &[(0, 52, 50, Whole), (52, 12, 10, Whole), (64, 102, 100, Whole)]),
    ("an empty message", &[(0, 2, 0, Whole), (2, 12, 10, Whole)]),
    ("the longest message", &[(0, 65_537, 65_535, Whole), (65_537, 12, 10, Whole)]),
    ("no data", &[(0, 0, 0, Nothing), (0, 12, 10, Whole), (12, 0, 0, Nothing)]),
    ("two in one", &[(0, 30, 10, First), (30, 12, 10, Nothing)]),
    ("one byte more", &[(0, 13, 10, First), (12, 12, 10, Nothing)]),
    (
        "one in three",
        &[(0, 20, 58, Broken), (20, 20, 18, Nothing), (40, 20, 18, Nothing), (60, 12, 10, Whole)],
    ),
    ("one and a half", &[(0, 20, 10, First), (20, 4, 2, Nothing), (24, 12, 10, Nothing)]),
    ("the end of one and another", &[(0, 8, 10, Broken), (8, 16, 14, Broken), (24, 9, 7, Nothing)]),
    ("length cut in two", &[(0, 1, 0, Broken), (1, 11, 9, Nothing), (12, 12, 10, Nothing)]),
    ("gap", &[(0, 12, 10, Whole), (24, 12, 10, Broken), (12, 12, 10, Nothing)]),
    ("gap inside a message", &[(0, 12, 40, Broken), (22, 12, 10, Nothing), (42, 12, 10, Whole)]),
    ("sent again", &[(0, 12, 10, Whole), (0, 12, 10, Nothing), (12, 12, 10, Whole)]),
    ("sent again with more", &[(0, 12, 10, Whole), (0, 24, 10, Broken), (24, 12, 10, Nothing)]),
];

#[test]
fn reads_a_segment_only_where_a_message_begins() {
    for start in STARTS {
        for (label, segments) in CASES {
            let mut stream = Stream::EMPTY;
            stream.accepted(start);
            for (index, (at, bytes, length, expected)) in segments.iter().enumerate() {
                let sequence = start.wrapping_add(1).wrapping_add_signed(*at);

                let segment = stream.arrived(sequence, *bytes, *length);

                assert_eq!(segment, *expected, "{label}, segment {index}, from {start:#x}");
            }
        }
    }
}

#[test]
fn a_connection_first_seen_in_its_middle_teaches_nothing() {
    let mut stream = Stream::EMPTY;

    assert_eq!(stream.arrived(1, 12, 10), Broken);
    assert_eq!(stream.arrived(13, 12, 10), Nothing);
    stream.accepted(24);
    assert_eq!(stream.arrived(25, 12, 10), Nothing);
}

#[test]
fn an_acceptance_sent_again_changes_nothing_and_another_one_ends_the_reading() {
    let mut stream = Stream::EMPTY;
    stream.accepted(7);
    stream.accepted(7);
    assert_eq!(stream.arrived(8, 12, 10), Whole);

    let mut stream = Stream::EMPTY;
    stream.accepted(7);
    stream.accepted(9);
    assert_eq!(stream.arrived(10, 12, 10), Nothing);
}

/// A process asks for a long text of its own name and behind it, on the same connection, for an
/// allowed one. The text is made so that one segment is a whole message by its looks.
#[test]
fn a_text_that_imitates_an_answer_is_not_read() {
    let imitation = framed(&[0x5a; 48]);
    let text = framed(&[vec![0; 98], imitation.clone(), vec![0; 30]].concat());
    let answer = framed(&[0x11; 60]);
    let sent = [text.clone(), answer].concat();

    for start in STARTS {
        let mut stream = Stream::EMPTY;
        stream.accepted(start);
        let mut arrive = |from: usize, to: usize| {
            let segment = &sent[from..to];
            let length = u32::from(u16::from_be_bytes([segment[0], segment[1]]));
            let sequence = start.wrapping_add(1).wrapping_add(u32::try_from(from).unwrap());
            (stream.arrived(sequence, u32::try_from(segment.len()).unwrap(), length), length)
        };

        assert_eq!(arrive(0, 100).0, Broken);
        // By its looks: its length is that of the payload.
        assert_eq!(arrive(100, 100 + imitation.len()), (Nothing, 48), "from {start:#x}");
        assert_eq!(arrive(100 + imitation.len(), text.len()).0, Nothing);
        assert_eq!(arrive(text.len(), sent.len()).0, Whole, "the answer itself");
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}
