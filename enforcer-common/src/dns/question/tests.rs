use std::{vec, vec::Vec};

use super::{
    super::tests::{Slice, asking, wire},
    Question, header, is_odd, question,
};

#[test]
fn accepts_letters_digits_hyphen_and_underscore_and_nothing_else() {
    for byte in 0..=255_u8 {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert_eq!(is_odd(u32::from(byte)) == 0, is_plain, "{byte}");
    }
}

#[test]
fn reads_the_fields_of_a_header() {
    // (flags, answer, opcode, truncated, code)
    const CASES: [(u16, bool, u32, bool, u32); 6] = [
        (0x0100, false, 0, false, 0),
        (0x8180, true, 0, false, 0),
        (0x8380, true, 0, true, 0),
        (0x8183, true, 0, false, 3),
        (0xfd8f, true, 15, false, 15),
        (0x2a00, false, 5, true, 0),
    ];
    for (flags, is_answer, opcode, is_truncated, code) in CASES {
        let [high, low] = flags.to_be_bytes();
        let bytes = [0xab, 0xcd, high, low, 0, 2, 1, 3, 0, 0, 0, 0];

        let header = header(&Slice(&bytes)).unwrap();

        assert_eq!((header.id, header.questions, header.answers), (0xabcd, 2, 0x103), "{flags:x}");
        let read = (header.is_answer, header.opcode, header.is_truncated, header.code);
        assert_eq!(read, (is_answer, opcode, is_truncated, code), "{flags:x}");
    }
}

#[test]
fn finds_no_header_in_less_than_twelve_bytes() {
    assert!(header(&Slice(&[0; 12])).is_some());
    for length in 0..12 {
        assert!(header(&Slice(&vec![0; length])).is_none(), "{length}");
    }
}

#[test]
fn reads_name_type_and_end() {
    const CASES: [(&str, u16, u32, u32); 5] = [
        ("", 1, 0, 0),
        ("com", 28, 4, 1),
        ("www.example.com", 65, 16, 3),
        ("_443._tcp.example.com", 0xffff, 22, 4),
        ("WWW.Example.COM", 255, 16, 3),
    ];
    for (name, record_type, name_bytes, labels) in CASES {
        let question = read(&wire(name), record_type).unwrap();

        assert_eq!((question.name_bytes, question.labels), (name_bytes, labels), "{name}");
        assert_eq!(question.record_type, u32::from(record_type), "{name}");
        assert_eq!(question.end, 12 + name_bytes + 1 + 4, "{name}");
        assert!(question.is_plain, "{name}");
    }
}

#[test]
fn reads_the_longest_name_and_refuses_a_longer_one() {
    let long = "a".repeat(63);
    // Three labels of 63 and one of 61 are 254 bytes without the root.
    let last = |bytes| [long.as_str(), &long, &long, &"b".repeat(bytes)].join(".");

    assert_eq!(read(&wire(&last(61)), 1).unwrap().name_bytes, 254);
    assert_eq!(read(&wire(&last(62)), 1), None);
    assert_eq!(read(&wire(&vec!["a"; 127].join(".")), 1).unwrap().labels, 127);
    assert_eq!(read(&wire(&vec!["a"; 128].join(".")), 1), None);
}

#[test]
fn refuses_pointers_reserved_labels_and_a_cut_name() {
    let cases: [(&str, &[u8]); 7] = [
        ("pointer to the header", &[0xc0, 0]),
        ("pointer to itself", &[0xc0, 12]),
        ("label, then pointer", &[1, b'a', 0xc0, 12]),
        ("label of 64", &[64]),
        ("label type 01", &[0x41, b'a', 0]),
        ("label type 10", &[0x80, 0]),
        ("no end", &[3, b'c', b'o']),
    ];
    for (label, name) in cases {
        assert_eq!(read(name, 1), None, "{label}");
    }
}

#[test]
fn refuses_a_question_cut_at_any_byte() {
    let bytes = asking(&wire("www.example.com"), 1);
    assert!(question(&Slice(&bytes)).is_some());
    for length in 12..bytes.len() {
        assert_eq!(question(&Slice(&bytes[..length])), None, "{length}");
    }
}

#[test]
fn refuses_every_class_but_that_of_the_internet() {
    for class in [0_u16, 2, 3, 4, 254, 255, 0x8001, 0x0101] {
        let mut bytes = asking(&wire("a.b"), 1);
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&class.to_be_bytes());

        assert_eq!(question(&Slice(&bytes)), None, "{class:x}");
    }
}

#[test]
fn a_name_with_any_other_byte_is_not_plain() {
    for byte in 0..=255_u8 {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let name = [2, b'a', byte, 3, b'c', b'o', b'm', 0];

        assert_eq!(read(&name, 1).unwrap().is_plain, is_plain, "{byte}");
    }
}

#[test]
fn a_label_that_holds_another_name_is_not_plain() {
    // One label of 17 bytes below evil.com: length, `example`, length, `com`, root, `zzzz`.
    let mut name = vec![17];
    name.extend(wire("example.com"));
    name.extend(b"zzzz");
    name.extend(wire("evil.com"));

    let question = read(&name, 1).unwrap();

    assert_eq!((question.labels, question.is_plain), (3, false));
    // Two bytes more in the label, and the next length is a letter: a reserved type.
    name[0] = 20;
    assert_eq!(read(&name, 1), None);
}

#[test]
fn a_dot_inside_a_label_is_not_plain() {
    let question = read(b"\x0bwww.example\x03com\0", 1).unwrap();

    assert_eq!((question.labels, question.is_plain), (2, false));
}

#[test]
fn the_hash_tells_letters_apart_and_the_folded_hash_does_not() {
    let lower = read(&wire("www.example.com"), 1).unwrap();
    let mixed = read(&wire("wWw.eXample.com"), 1).unwrap();
    let other = read(&wire("www.examplf.com"), 1).unwrap();
    let other_type = read(&wire("www.example.com"), 28).unwrap();

    assert_ne!(lower.hash, mixed.hash);
    assert_eq!((lower.folded, lower.name_hash), (mixed.folded, mixed.name_hash));
    assert_ne!(lower.folded, other.folded);
    assert_ne!(lower.name_hash, other.name_hash);
    assert_ne!(lower.folded, other_type.folded);
    assert_eq!(lower.name_hash, other_type.name_hash);
}

#[test]
fn the_hash_depends_on_where_labels_end() {
    let names = ["ab.c", "a.bc", "abc", "a.b.c"];
    let hashes: Vec<u64> = names.map(|name| read(&wire(name), 1).unwrap().name_hash).into();
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[index + 1..].contains(hash), "{}", names[index]);
    }
}

#[cfg(feature = "user")]
#[test]
fn the_hash_of_a_name_is_the_same_on_both_sides() {
    for name in ["", "com", "www.example.com", "WWW.Example.com"] {
        let asked = read(&wire(name), 1).unwrap();

        assert_eq!(super::name_hash(wire(name)), asked.name_hash, "{name}");
    }
}

fn read(name: &[u8], record_type: u16) -> Option<Question> {
    question(&Slice(&asking(name, record_type)))
}
