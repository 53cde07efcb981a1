use std::{string::String, vec, vec::Vec};

use super::{
    super::{
        question::question,
        tests::{Slice, asking, wire},
    },
    KeyWriter, NameKey, write_key,
};
use crate::abi::NAME_BYTES;

#[test]
fn labels_stand_in_the_order_from_the_root_with_their_lengths_in_front() {
    let cases: [(&str, &[u8]); 4] = [
        ("", b"\0"),
        ("com", b"\x03com\0"),
        ("www.example.com", b"\x03com\x07example\x03www\0"),
        ("A-1._Tcp.eXample.COM", b"\x03com\x07example\x04_tcp\x03a-1\0"),
    ];
    for (name, expected) in cases {
        let key = key(&wire(name));

        assert_eq!(key.bytes(), expected, "{name}");
    }
}

#[test]
fn tells_where_each_label_stands_counted_from_the_root() {
    let key = key(&wire("md-abc.blob.storage.azure.net"));

    assert_eq!(key.label_places, vec![0, 4, 10, 18, 23]);
}

#[test]
fn the_key_of_a_parent_is_a_prefix_and_that_of_a_stranger_is_not() {
    const CASES: [(&str, &str, bool); 7] = [
        ("www.example.com", "example.com", true),
        ("WWW.EXAMPLE.COM", "example.com", true),
        ("a.b.c.example.com", "example.com", true),
        ("example.com", "www.example.com", false),
        ("notexample.com", "example.com", false),
        ("example.com.evil.net", "example.com", false),
        ("examplecom", "example.com", false),
    ];
    for (name, parent, expected) in CASES {
        assert_eq!(is_below(&wire(name), &wire(parent)), expected, "{name} {parent}");
    }
}

#[test]
fn the_longest_name_fits() {
    let long = "a".repeat(63);
    let name = [long.as_str(), &long, &long, &"b".repeat(61)].join(".");

    let key = key(&wire(&name));

    assert_eq!(key.bytes().len(), 255);
    assert_eq!(key.bytes()[..62], [&[61], "b".repeat(61).as_bytes()].concat()[..]);
    let most = self::key(&wire(&vec!["x"; 127].join(".")));
    assert_eq!(most.label_places, (0..127).map(|label| label * 2).collect::<Vec<_>>());
}

#[test]
fn a_label_that_holds_another_name_lies_below_its_own_parents_only() {
    // One label of 17 bytes below evil.com: length, `example`, length, `com`, root, `zzzz`.
    let mut name = vec![17];
    name.extend(wire("example.com"));
    name.extend(b"zzzz");
    name.extend(wire("evil.com"));

    assert!(is_below(&name, &wire("evil.com")));
    assert!(!is_below(&name, &wire("example.com")));
}

#[test]
fn a_label_whose_content_looks_like_a_length_imitates_no_parent() {
    // In a byte-reversed name the label `0` and 48 more characters begins like those 48 alone,
    // since `0` is the byte 48; so would `-` and 45, and the other digits.
    for (digit, length) in (b'0'..=b'9').map(|byte| (byte, usize::from(byte))).chain([(b'-', 45)]) {
        let allowed = "x".repeat(length);
        let imitation = [String::from(char::from(digit)), allowed.clone()].concat();

        assert!(!is_below(&wire(&imitation), &wire(&allowed)), "{digit} in front");
        let behind = [allowed.clone(), String::from(char::from(digit))].concat();
        assert!(!is_below(&wire(&behind), &wire(&allowed)), "{digit} behind");
    }
}

#[test]
fn zeros_stand_behind_the_name() {
    let key = key(&wire("b.a"));

    assert_eq!(key.bytes(), b"\x01a\x01b\0");
    assert_eq!(NameKey::ROOT.0, [0; NAME_BYTES]);
}

#[cfg(feature = "user")]
#[test]
fn gives_back_the_labels_from_the_root() {
    for name in ["", "com", "www.example.com"] {
        let mut bytes = [0; NAME_BYTES];
        let key = key(&wire(name));
        bytes[..key.bytes().len()].copy_from_slice(key.bytes());

        let labels: Vec<Vec<u8>> = NameKey(bytes).labels().map(<[u8]>::to_vec).collect();

        let mut expected: Vec<Vec<u8>> = name.split('.').map(Into::into).collect();
        expected.reverse();
        expected.retain(|label| !label.is_empty());
        assert_eq!(labels, expected, "{name}");
    }
}

/// What was written, and how often each byte was.
struct Written {
    bytes: [u8; NAME_BYTES],
    times: [u8; NAME_BYTES],
    label_places: Vec<u32>,
}

impl Written {
    /// The key with its root, each byte of which was written once and no other.
    fn bytes(&self) -> &[u8] {
        let end = self.times.iter().position(|times| *times == 0).unwrap_or(NAME_BYTES);
        assert!(self.times[..end].iter().all(|times| *times == 1), "{:?}", self.times);
        assert!(self.times[end..].iter().all(|times| *times == 0), "{:?}", self.times);
        &self.bytes[..end]
    }
}

impl KeyWriter for Written {
    fn put(&mut self, at: u32, byte: u32) {
        self.bytes[at as usize] = u8::try_from(byte).unwrap();
        self.times[at as usize] += 1;
    }

    fn put_label(&mut self, label: u32, at: u32) {
        let label = label as usize;
        self.label_places.resize(self.label_places.len().max(label + 1), u32::MAX);
        self.label_places[label] = at;
    }
}

fn key(name: &[u8]) -> Written {
    let bytes = asking(name, 1);
    let message = Slice(&bytes);
    let mut written =
        Written { bytes: [0; NAME_BYTES], times: [0; NAME_BYTES], label_places: Vec::new() };
    write_key(&message, &question(&message).unwrap(), &mut written);
    written
}

/// Whether the trie finds `parent` in front of `name`.
fn is_below(name: &[u8], parent: &[u8]) -> bool {
    let (name, parent) = (key(name), key(parent));
    let parent = parent.bytes().split_last().unwrap().1;
    name.bytes().starts_with(parent)
}
