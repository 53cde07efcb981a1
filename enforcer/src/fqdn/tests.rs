use proptest::prelude::*;

use super::{DomainName, Leading, NameError, Pattern, PatternError};

/// A text, and whether an error is the expected one.
type NameCase<'a> = (&'a str, fn(&NameError) -> bool);
/// A text, `labels`, and whether an error is the expected one.
type PatternCase<'a> = (&'a str, Option<u8>, fn(&PatternError) -> bool);

/// Pattern, `labels`, name, whether it matches.
const MATCHES: &[(&str, Option<u8>, &str, bool)] = &[
    ("example.com", None, "example.com", true),
    ("example.com", None, "EXAMPLE.com.", true),
    ("Example.COM.", None, "example.com", true),
    ("example.com", None, "www.example.com", false),
    ("example.com", None, "notexample.com", false),
    ("example.com", None, "evilexample.com", false),
    ("example.com", None, "com", false),
    ("example.com", None, "example.com.evil.net", false),
    ("*.example.com", None, "a.example.com", true),
    ("*.example.com", None, "A.EXAMPLE.COM.", true),
    ("*.example.com", None, "a.b.c.example.com", true),
    ("*.example.com", None, "_tcp.example.com", true),
    ("*.example.com", None, "example.com", false),
    ("*.example.com", None, "xexample.com", false),
    ("*.example.com", None, "a.xexample.com", false),
    ("*.example.com", None, "a.example.com.evil.net", false),
    ("*.example.com", Some(1), "a.example.com", true),
    ("*.example.com", Some(1), "a.b.example.com", false),
    ("*.example.com", Some(1), "example.com", false),
    ("*.example.com", Some(2), "a.b.example.com", true),
    ("*.example.com", Some(2), "a.example.com", false),
    ("*.hcp.japaneast.azmk8s.io", None, "c1-dns-1a2b.hcp.japaneast.azmk8s.io", true),
    ("*.hcp.japaneast.azmk8s.io", None, "a.b.hcp.japaneast.azmk8s.io", true),
    ("*.hcp.japaneast.azmk8s.io", None, "hcp.japaneast.azmk8s.io", false),
    ("md-*.blob.storage.azure.net", None, "md-abc.blob.storage.azure.net", true),
    ("md-*.blob.storage.azure.net", None, "md-a.b.blob.storage.azure.net", false),
    ("md-*.blob.storage.azure.net", None, "xmd-a.blob.storage.azure.net", false),
    ("md-*.blob.storage.azure.net", None, "a.md-a.blob.storage.azure.net", false),
    ("md*.x.net", None, "md.x.net", false),
    ("a*a.x.net", None, "aa.x.net", false),
    ("a*a.x.net", None, "a.x.net", false),
    ("a*a.x.net", None, "aba.x.net", true),
    ("a.*.b.net", None, "a.x.b.net", true),
    ("a.*.b.net", None, "a.b.net", false),
    ("a.*.b.net", None, "a.x.y.b.net", false),
    ("*", None, "com", true),
    ("*", None, "a.b.c.d.e", true),
    ("*-dn.*.azmk8s.io", None, "x-dn.eastus.azmk8s.io", true),
    ("*-dn.*.azmk8s.io", None, "x-dn.a.b.azmk8s.io", false),
    ("*-dn.*.azmk8s.io", None, "y.x-dn.eastus.azmk8s.io", false),
    ("bücher.example", None, "xn--bcher-kva.example", true),
    ("BÜCHER。example", None, "bücher．example｡", true),
];

#[test]
fn patterns_match_what_the_table_says() {
    for (text, labels, name, expected) in MATCHES {
        let pattern = Pattern::parse(text, *labels).unwrap();
        let name = DomainName::parse(name).unwrap();

        assert_eq!(pattern.matches(&name), *expected, "{text} {labels:?} on {name}");
    }
}

#[test]
fn refuses_what_is_no_name() {
    let long_label = "a".repeat(64);
    let long_name = format!("{}com", "abcdefghi.".repeat(26));
    let cases: &[NameCase<'_>] = &[
        ("", |e| matches!(e, NameError::Empty)),
        (".", |e| matches!(e, NameError::Empty)),
        ("a..b", |e| matches!(e, NameError::EmptyLabel)),
        ("a.b..", |e| matches!(e, NameError::EmptyLabel)),
        (".example.com", |e| matches!(e, NameError::LeadingDot(rest) if rest == "example.com")),
        ("a b.com", |e| matches!(e, NameError::Space)),
        ("example.com\n", |e| matches!(e, NameError::Space)),
        ("https://x.com:8443/y", |e| matches!(e, NameError::Url(host) if host == "x.com")),
        ("x.com:443", |e| matches!(e, NameError::Port(host) if host == "x.com")),
        ("x.com/y", |e| matches!(e, NameError::Path(host) if host == "x.com")),
        ("10.0.0.1", |e| matches!(e, NameError::Address(_))),
        ("10.0.0.0/8", |e| matches!(e, NameError::Address(_))),
        ("10.0.0.1:53", |e| matches!(e, NameError::Address(a) if a == "10.0.0.1")),
        ("2001:db8::1", |e| matches!(e, NameError::Address(_))),
        ("[2001:db8::1]:443", |e| matches!(e, NameError::Address(a) if a == "2001:db8::1")),
        ("1.2.3", |e| matches!(e, NameError::Number)),
        ("3232235521", |e| matches!(e, NameError::Number)),
        ("0x7f000001", |e| matches!(e, NameError::Number)),
        ("a.１２", |e| matches!(e, NameError::Number)),
        (".*example.com", |e| matches!(e, NameError::Expression)),
        ("[a-z].com", |e| matches!(e, NameError::Expression)),
        (r"a\.com", |e| matches!(e, NameError::Expression)),
        ("-a.com", |e| matches!(e, NameError::Hyphen(_))),
        ("a-.com", |e| matches!(e, NameError::Hyphen(_))),
        ("a@b.com", |e| matches!(e, NameError::Character('@'))),
        ("xn--a.com", |e| matches!(e, NameError::Idn(_))),
        ("＊.example.com", |e| matches!(e, NameError::Idn(_))),
        ("*.example.com", |e| matches!(e, NameError::Wildcard)),
        ("bü*.example.com", |e| matches!(e, NameError::WildcardIdn('ü'))),
        (&long_label, |e| matches!(e, NameError::LongLabel { .. })),
        (&long_name, |e| matches!(e, NameError::LongName { bytes: 263 })),
    ];
    for (text, is_expected) in cases {
        let error = DomainName::parse(text).unwrap_err();

        assert!(is_expected(&error), "{text:?}: {error:?}");
        assert!(!error.help().is_empty(), "{text:?}");
    }
}

#[test]
fn accepts_the_longest_label_and_name() {
    let label = "a".repeat(63);
    let name = [label.as_str(), &label, &label, &"a".repeat(61)].join(".");

    assert_eq!(name.len(), 253);
    assert_eq!(DomainName::parse(&format!("{name}.")).unwrap().as_str(), name);
}

#[test]
fn refuses_wildcards_that_say_nothing() {
    let cases: &[PatternCase<'_>] = &[
        ("*.", None, |e| matches!(e, PatternError::NoDomain)),
        ("**.example.com", None, |e| matches!(e, PatternError::TwoWildcards(_))),
        ("a*b*c.example.com", None, |e| matches!(e, PatternError::TwoWildcards(_))),
        ("example.*", None, |e| matches!(e, PatternError::LastLabel)),
        ("*.*", None, |e| matches!(e, PatternError::LastLabel)),
        ("example.c*m", None, |e| matches!(e, PatternError::LastLabel)),
        ("example.com", Some(1), |e| matches!(e, PatternError::LabelsWithoutWildcard)),
        ("a-*.example.com", Some(1), |e| matches!(e, PatternError::LabelsWithoutWildcard)),
        ("*", Some(1), |e| matches!(e, PatternError::LabelsWithoutWildcard)),
        ("*.example.com", Some(0), |e| matches!(e, PatternError::LabelCount(0))),
        ("*.example.com:443", None, |e| matches!(e, PatternError::Name(NameError::Port(_)))),
    ];
    for (text, labels, is_expected) in cases {
        let error = Pattern::parse(text, *labels).unwrap_err();

        assert!(is_expected(&error), "{text:?}: {error:?}");
        assert!(!error.help().is_empty(), "{text:?}");
    }
}

#[test]
fn shows_patterns_in_canonical_form() {
    for (text, canonical, suffix) in [
        ("Example.COM.", "example.com", "example.com"),
        ("*.Example.com", "*.example.com", "example.com"),
        ("*", "*", ""),
        ("MD-*.x.net.", "md-*.x.net", "x.net"),
        ("a.*.b.net", "a.*.b.net", "b.net"),
        ("*.*.b.net", "*.*.b.net", "b.net"),
    ] {
        let pattern = Pattern::parse(text, None).unwrap();

        assert_eq!((pattern.to_string().as_str(), pattern.suffix().as_str()), (canonical, suffix));
    }
}

#[test]
fn tells_what_leads_a_pattern() {
    let leading = |text, labels| Pattern::parse(text, labels).unwrap().leading();

    assert_eq!(leading("*.x.net", None), Leading::OneOrMore);
    assert_eq!(leading("*.x.net", Some(3)), Leading::Exactly(3));
    assert_eq!(leading("a-*.x.net", None), Leading::Nothing);
}

/// The same question answered by trying every way to read the pattern.
fn naive(pattern: &[String], name: &[&str], is_first: bool) -> bool {
    let Some((head, tail)) = pattern.split_first() else { return name.is_empty() };
    if head == "*" && is_first {
        return (1..=name.len()).any(|taken| naive(tail, &name[taken..], false));
    }
    let Some((label, rest)) = name.split_first() else { return false };
    let is_match = match head.split_once('*') {
        None => head == label,
        Some((before, after)) => (1..=label.len()).any(|run| {
            (0..=label.len() - run).any(|at| label[..at] == *before && label[at + run..] == *after)
        }),
    };
    is_match && naive(tail, rest, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn agrees_with_a_naive_matcher(
        pattern in prop::collection::vec("[ab]{0,2}\\*?[ab]{0,2}", 1..5),
        name in prop::collection::vec("[ab]{1,4}", 1..6),
    ) {
        let text = pattern.join(".");
        if let Ok(parsed) = Pattern::parse(&text, None) {
            let canonical: Vec<String> =
                parsed.to_string().split('.').map(str::to_owned).collect();
            let name = DomainName::parse(&name.join(".")).unwrap();
            let labels: Vec<&str> = name.labels().collect();
            prop_assert_eq!(parsed.matches(&name), naive(&canonical, &labels, true), "{}", text);
        }
    }

    #[test]
    fn reads_its_own_canonical_form(text in "[a-cA-C*.-]{1,12}") {
        if let Ok(pattern) = Pattern::parse(&text, None) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string(), None), Ok(pattern));
        }
    }

    #[test]
    fn never_accepts_a_byte_outside_the_grammar(text in any::<String>()) {
        if let Ok(name) = DomainName::parse(&text) {
            prop_assert!(name.as_str().len() <= 253);
            let is_allowed =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            prop_assert!(name.as_str().bytes().all(is_allowed));
        }
    }
}
