//! Names in records: case, compression, and pointers that lead nowhere good.

use super::*;

#[test]
fn an_owner_is_compared_without_case_however_it_is_written() {
    let eq = |owner: &[u8]| Answer::to(A).a(owner, 9, 1).learn() == addresses(&[1], 9);
    let with = |labels: &[u8], to| [labels, &pointer(to)].concat();

    assert!(eq(&wire("www.example.com")));
    assert!(eq(&wire("WWW.eXample.Com")));
    assert!(eq(&with(b"\x03www", 16)));
    assert!(eq(&with(b"\x03wWw\x07EXAMPLE", 24)));
    assert!(eq(&with(b"\x03www\x07example\x03com", 28)), "a pointer to the root");
    assert!(!eq(&with(b"\x03www", 24)));
    assert!(!eq(&with(b"\x03wwx", 16)));
    assert!(!eq(&with(b"\x03www\x07exbmple", 24)));
    assert!(!eq(&with(b"\x03www", 12)));
    // `[` and `{` differ by the bit that letters in upper and lower case differ by.
    let bytes = asking(b"\x01[\0", 1);
    let answer = Answer { bytes, records: 0 }.a(b"\x01{\0", 9, 1);
    assert!(nothing(&answer.learn()));
}

#[test]
fn every_byte_of_a_label_is_compared() {
    for length in [1, 7, 8, 9, 16, 17, 62, 63] {
        let name = [&[length], vec![b'x'; usize::from(length)].as_slice(), b"\x03com\0"].concat();
        let answer = || Answer { bytes: asking(&name, 1), records: 0 };
        assert_eq!(answer().a(&name, 9, 1).learn(), addresses(&[1], 9), "{length}");
        for at in 1..name.len() - 1 {
            let mut other = name.clone();
            if at != usize::from(length) + 1 {
                other[at] = b'-';
                assert!(nothing(&answer().a(&other, 9, 1).learn()), "{length} at {at}");
            }
        }
    }
}

#[test]
fn a_current_name_that_is_compressed_is_compared_as_it_reads() {
    // a.example.com, b.a.example.com: each a label and a pointer into the one before.
    let first = FIRST + 12;
    let answer = Answer::to(A).alias(&NAME, 9, &[b"\x01a".as_slice(), &pointer(16)].concat());
    let second = answer.end() + 12;
    let answer = answer.alias(&pointer(first), 9, &[b"\x01b".as_slice(), &pointer(first)].concat());
    let owners: [Vec<u8>; 4] = [
        pointer(second).to_vec(),
        wire("B.a.Example.com"),
        [b"\x01b\x01A".as_slice(), &pointer(16)].concat(),
        [b"\x01b".as_slice(), &pointer(first)].concat(),
    ];
    for owner in owners {
        let answer = Answer { bytes: answer.bytes.clone(), ..answer };

        assert_eq!(answer.a(&owner, 9, 1).learn(), addresses(&[1], 9), "{owner:?}");
    }
}

#[test]
fn a_pointer_leads_below_the_run_of_labels_that_it_ends() {
    let cases: [(&str, Vec<u8>); 9] = [
        ("to itself", pointer(FIRST).to_vec()),
        ("forward", pointer(FIRST + 2).to_vec()),
        ("past the end", pointer(0x3fff).to_vec()),
        ("into the header", pointer(11).to_vec()),
        ("to the message's start", pointer(0).to_vec()),
        ("to the label in front of it", [b"\x01a".as_slice(), &pointer(FIRST)].concat()),
        ("into the label in front of it", [b"\x01\0".as_slice(), &pointer(FIRST + 1)].concat()),
        ("label type 01", vec![0x41, 0]),
        ("label type 10", vec![0x80, 0]),
    ];
    for (label, owner) in cases {
        let answer = Answer::to(A).a(&owner, 9, 9).a(&NAME, 9, 1);

        assert_eq!(answer.learn(), Err(Walked::Malformed), "{label}");
    }
}

#[test]
fn two_pointers_that_lead_to_each_other_are_malformed() {
    // The first record's data holds a pointer forward to the second record's owner.
    let answer = Answer::to(A);
    let inner = answer.end() + 12;
    let second = inner + 2;
    let answer = answer.record(&NAME, 16, 1, 9, &pointer(second)).a(&pointer(inner), 9, 1);

    assert_eq!(answer.learn(), Err(Walked::Malformed));
}

#[test]
fn follows_thirty_two_pointers_and_not_thirty_three() {
    for (pointers, expected) in
        [(1, addresses(&[1], 9)), (32, addresses(&[1], 9)), (33, Err(Walked::Malformed))]
    {
        // Data that is skipped holds pointers, each to the one before; the first to `com`.
        let start = FIRST + 12;
        let mut data = pointer(24).to_vec();
        for index in 1..pointers - 1 {
            data.extend(pointer(start + 2 * (index - 1)));
        }
        let owner = if pointers == 1 { 24 } else { start + 2 * (pointers - 2) };
        let answer = Answer::to(A).record(&NAME, 16, 1, 9, &data);

        let learned = answer.a(&pointer(owner), 9, 9).a(&NAME, 9, 1).learn();

        assert_eq!(learned, expected, "{pointers}");
    }
}

#[test]
fn a_name_of_more_than_255_bytes_is_malformed() {
    let name = |bytes| {
        let long = "a".repeat(63);
        wire(&[long.as_str(), &long, &long, &"b".repeat(bytes)].join("."))
    };

    assert_eq!(Answer::to(A).a(&name(61), 9, 9).a(&NAME, 9, 1).learn(), addresses(&[1], 9));
    assert_eq!(Answer::to(A).a(&name(62), 9, 9).learn(), Err(Walked::Malformed));
    // The pointer brings the labels that are too many.
    let mut owner = name(49);
    owner.pop();
    let together = [owner.as_slice(), &pointer(16)].concat();
    assert_eq!(Answer::to(A).a(&together, 9, 9).a(&NAME, 9, 1).learn(), addresses(&[1], 9));
    let longer = [&owner[..192], &[50], "b".repeat(50).as_bytes(), &pointer(16)].concat();
    assert_eq!(Answer::to(A).a(&longer, 9, 9).learn(), Err(Walked::Malformed));
}
