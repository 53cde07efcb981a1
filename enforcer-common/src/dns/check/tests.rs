use std::vec::Vec;

use super::{Key, LabelCheck, LabelText};
use crate::rule_mask::RuleMask;

/// A pattern's one star inside a label: the label in front of the star and behind it, which
/// label from the root, and how many labels the pattern has in all.
struct Star {
    before: &'static str,
    after: &'static str,
    label: u8,
    labels: (u8, u8),
}

/// `md-*.blob.storage.azure.net`
const PREFIX: Star = Star { before: "md-", after: "", label: 4, labels: (5, 5) };
/// `*-dn.*.azmk8s.io`; the other star is whatever stands in a label.
const SUFFIX: Star = Star { before: "", after: "-dn", label: 3, labels: (4, 4) };
/// `a.*.b.net`
const WHOLE: Star = Star { before: "a", after: "", label: 3, labels: (4, 4) };
/// `x*y.com`
const BOTH: Star = Star { before: "x", after: "y", label: 1, labels: (2, 2) };
/// `abcdefgh-*-ijklmnop.com`, of more than one word on both sides.
const LONG: Star = Star { before: "abcdefgh-", after: "-ijklmnop", label: 1, labels: (2, 2) };

#[test]
fn accepts_what_the_pattern_says_in_its_label_and_nothing_else() {
    let cases: [(&Star, &str, bool); 31] = [
        (&PREFIX, "md-abc.blob.storage.azure.net", true),
        (&PREFIX, "md-a.blob.storage.azure.net", true),
        (&PREFIX, "md--.blob.storage.azure.net", true),
        (&PREFIX, "md-.blob.storage.azure.net", false),
        (&PREFIX, "md.blob.storage.azure.net", false),
        (&PREFIX, "md-a.b.blob.storage.azure.net", false),
        (&PREFIX, "xmd-a.blob.storage.azure.net", false),
        (&PREFIX, "mdxabc.blob.storage.azure.net", false),
        (&PREFIX, "blob.storage.azure.net", false),
        (&SUFFIX, "x-dn.eastus.azmk8s.io", true),
        (&SUFFIX, "long-name-dn.eastus.azmk8s.io", true),
        (&SUFFIX, "-dn-dn.eastus.azmk8s.io", true),
        (&SUFFIX, "-dn.eastus.azmk8s.io", false),
        (&SUFFIX, "dn.eastus.azmk8s.io", false),
        (&SUFFIX, "x-dnx.eastus.azmk8s.io", false),
        (&SUFFIX, "x-dn.a.b.azmk8s.io", false),
        (&SUFFIX, "x-dn.azmk8s.io", false),
        (&WHOLE, "a.x.b.net", true),
        (&WHOLE, "a.long-label.b.net", true),
        (&WHOLE, "a.b.net", false),
        (&WHOLE, "a.x.y.b.net", false),
        (&WHOLE, "b.x.b.net", false),
        (&WHOLE, "aa.x.b.net", false),
        (&BOTH, "xzy.com", true),
        (&BOTH, "xxyy.com", true),
        (&BOTH, "xy.com", false),
        (&BOTH, "x.com", false),
        (&LONG, "abcdefgh-1-ijklmnop.com", true),
        (&LONG, "abcdefgh-12345678901234567890-ijklmnop.com", true),
        (&LONG, "abcdefgh--ijklmnop.com", false),
        (&LONG, "abcdefgi-1-ijklmnop.com", false),
    ];
    for (star, name, expected) in cases {
        assert_eq!(accepts(&check(star), name), expected, "{}*{} {name}", star.before, star.after);
    }
}

#[test]
fn compares_every_byte_of_the_longest_label() {
    let label = "a".repeat(63);
    let exact = LabelCheck { before: text(label.as_bytes()), ..counting((1, 1), (63, 63)) };
    for at in 0..63 {
        let mut other = label.clone().into_bytes();
        other[at] = b'b';
        assert!(!accepts(&exact, core::str::from_utf8(&other).unwrap()), "{at}");
    }
    assert!(accepts(&exact, &label));
    assert!(!accepts(&exact, &label[1..]));
}

#[test]
fn counts_labels() {
    // `*.example.com` with `labels: 2`, and one or more.
    let cases = [
        ((4, 4), "a.b.example.com", true),
        ((4, 4), "a.example.com", false),
        ((4, 4), "a.b.c.example.com", false),
        ((3, 127), "a.example.com", true),
        ((3, 127), "a.b.c.d.example.com", true),
        ((3, 127), "example.com", false),
    ];
    for (labels, name, expected) in cases {
        assert_eq!(accepts(&counting(labels, (0, 63)), name), expected, "{labels:?} {name}");
    }
}

/// A key as the trie has it, zeros behind it.
struct Reversed {
    bytes: Vec<u8>,
    places: Vec<u32>,
}

impl Key for Reversed {
    fn label(&self, label: u32) -> u32 {
        self.places[label as usize]
    }

    fn byte(&self, at: u32) -> u32 {
        u32::from(self.bytes.get(at as usize).copied().unwrap_or(0))
    }

    fn word(&self, at: u32) -> u64 {
        (0..8).fold(0, |word, index| word | u64::from(self.byte(at + index)) << (8 * index))
    }
}

fn accepts(check: &LabelCheck, name: &str) -> bool {
    let mut key = Reversed { bytes: Vec::new(), places: Vec::new() };
    for label in name.rsplit('.') {
        key.places.push(u32::try_from(key.bytes.len()).unwrap());
        key.bytes.push(u8::try_from(label.len()).unwrap());
        key.bytes.extend(label.as_bytes());
    }
    let labels = u32::try_from(key.places.len()).unwrap();
    check.accepts(&key, labels)
}

fn check(star: &Star) -> LabelCheck {
    let bytes = u8::try_from(star.before.len() + star.after.len()).unwrap();
    // The first label of `a.*.b.net` is no star: as long as its text.
    let sizes = if star.before == "a" { (bytes, bytes) } else { (bytes + 1, 63) };
    LabelCheck {
        before: text(star.before.as_bytes()),
        after: text(star.after.as_bytes()),
        after_bytes: u8::try_from(star.after.len()).unwrap(),
        label: star.label,
        ..counting(star.labels, sizes)
    }
}

/// A check of numbers alone, on the label below the root.
fn counting((min_labels, max_labels): (u8, u8), (min_bytes, max_bytes): (u8, u8)) -> LabelCheck {
    LabelCheck {
        rules: RuleMask::EMPTY,
        before: LabelText::NOTHING,
        after: LabelText::NOTHING,
        min_labels,
        max_labels,
        label: 0,
        min_bytes,
        max_bytes,
        after_bytes: 0,
        is_last: 1,
        padding: 0,
    }
}

/// As `LabelText::new`, which the agent's side alone has.
fn text(bytes: &[u8]) -> LabelText {
    let mut text = LabelText::NOTHING;
    for (index, byte) in bytes.iter().enumerate() {
        text.text[index / 8] |= u64::from(*byte) << (index % 8 * 8);
        text.mask[index / 8] |= 0xff << (index % 8 * 8);
    }
    text
}

#[cfg(feature = "user")]
#[test]
fn the_agent_writes_a_text_as_the_kernel_reads_it() {
    for label in ["", "a", "abcdefgh", "abcdefghi", &"x".repeat(63)] {
        assert_eq!(LabelText::new(label.as_bytes()), text(label.as_bytes()), "{label}");
    }
}
