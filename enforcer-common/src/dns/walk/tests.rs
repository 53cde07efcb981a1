use std::{format, net::IpAddr, string::String, vec, vec::Vec};

use super::{
    super::{
        MAX_FOUND,
        question::question,
        record_type::{A, AAAA, ANY, CNAME, HTTPS},
        tests::{Slice, asking, wire},
    },
    Found, Walked, walk,
};

mod bindings;
mod names;

/// The name asked and its places in the message: `www`, `example`, `com`, the root.
const ASKED: &str = "www.example.com";
const NAME: [u8; 2] = pointer(12);
/// Where the first record stands.
const FIRST: u16 = 33;

/// Builds an answer record by record.
struct Answer {
    bytes: Vec<u8>,
    records: u32,
}

impl Answer {
    fn to(record_type: u32) -> Self {
        let record_type = u16::try_from(record_type).unwrap();
        Self { bytes: asking(&wire(ASKED), record_type), records: 0 }
    }

    fn record(mut self, owner: &[u8], kind: u32, class: u16, ttl: u32, data: &[u8]) -> Self {
        self.bytes.extend(owner);
        self.bytes.extend(u16::try_from(kind).unwrap().to_be_bytes());
        self.bytes.extend(class.to_be_bytes());
        self.bytes.extend(ttl.to_be_bytes());
        self.bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.bytes.extend(data);
        self.records += 1;
        self
    }

    /// 10.0.0.`last` of a name.
    fn a(self, owner: &[u8], ttl: u32, last: u8) -> Self {
        self.record(owner, A, 1, ttl, &[10, 0, 0, last])
    }

    fn alias(self, owner: &[u8], ttl: u32, target: &[u8]) -> Self {
        self.record(owner, CNAME, 1, ttl, target)
    }

    /// Where the next record begins.
    fn end(&self) -> u16 {
        u16::try_from(self.bytes.len()).unwrap()
    }

    fn learn(&self) -> Learned {
        learn(&self.bytes, self.records)
    }
}

/// What is learned: addresses and the shortest time to live, or why nothing is.
type Learned = Result<(Vec<IpAddr>, u32), Walked>;

fn learn(bytes: &[u8], records: u32) -> Learned {
    struct Places(Vec<(u32, bool)>);
    impl Found for Places {
        fn keep(&mut self, index: u32, at: u32, is_v6: bool) {
            assert_eq!(index as usize, self.0.len());
            self.0.push((at, is_v6));
        }
    }

    let message = Slice(bytes);
    let mut places = Places(Vec::new());
    match walk(&message, &question(&message).unwrap(), records, &mut places) {
        Walked::Whole { found, ttl } => {
            assert_eq!(found as usize, places.0.len());
            let read = |(at, is_v6): (u32, bool)| {
                let bytes = &bytes[at as usize..];
                if is_v6 {
                    <[u8; 16]>::try_from(&bytes[..16]).unwrap().into()
                } else {
                    <[u8; 4]>::try_from(&bytes[..4]).unwrap().into()
                }
            };
            Ok((places.0.into_iter().map(read).collect(), ttl))
        }
        other @ (Walked::Malformed | Walked::OverBound | Walked::OutOfOrder) => Err(other),
    }
}

/// 10.0.0.`last` of each, with a time to live.
#[expect(clippy::unnecessary_wraps, reason = "it is what a walk is compared with")]
fn addresses(last: &[u8], ttl: u32) -> Learned {
    Ok((last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect(), ttl))
}

/// Nothing, from a whole message.
fn nothing(learned: &Learned) -> bool {
    matches!(learned, Ok((addresses, _)) if addresses.is_empty())
}

const fn pointer(to: u16) -> [u8; 2] {
    (0xc000 | to).to_be_bytes()
}

#[test]
fn learns_the_addresses_of_the_name_asked() {
    let many = Answer::to(A).a(&NAME, 60, 1).a(&NAME, 30, 2).a(&NAME, 90, 3);
    assert_eq!(many.learn(), addresses(&[1, 2, 3], 30));

    let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let both = Answer::to(ANY).a(&NAME, 60, 1).record(&NAME, AAAA, 1, 50, &six);
    assert_eq!(both.learn(), Ok((vec![[10, 0, 0, 1].into(), six.into()], 50)));

    assert!(nothing(&Answer::to(A).learn()));
}

#[test]
fn follows_aliases_and_takes_the_shortest_time_to_live() {
    // Each target stands twelve bytes behind its record's owner, a pointer.
    let first = FIRST + 12;
    let chain = Answer::to(A).alias(&NAME, 300, &wire("a.cdn.net"));
    let second = chain.end() + 12;
    let chain = chain.alias(&pointer(first), 20, &wire("b.cdn.net")).a(&pointer(second), 60, 1);
    assert_eq!(chain.learn(), addresses(&[1], 20));

    // The last label of the target is a pointer into the name asked.
    let target = [b"\x03cdn".as_slice(), &pointer(24)].concat();
    let into = Answer::to(A).alias(&NAME, 5, &target).a(&pointer(first), 6, 1);
    assert_eq!(into.learn(), addresses(&[1], 5));

    let whole = Answer::to(A).alias(&wire(ASKED), 5, &wire("x.y")).a(&wire("x.y"), 6, 1);
    assert_eq!(whole.learn(), addresses(&[1], 5));
}

#[test]
fn a_time_to_live_with_the_top_bit_set_counts_as_zero() {
    for (ttl, expected) in
        [(0, 0), (0x7fff_ffff, 0x7fff_ffff), (0x8000_0000, 0), (u32::MAX, 0), (1, 1)]
    {
        let answer = Answer::to(A).a(&NAME, ttl, 1);

        assert_eq!(answer.learn(), addresses(&[1], expected), "{ttl:#x}");
    }
}

#[test]
fn follows_sixteen_aliases_and_not_seventeen() {
    for (steps, expected) in
        [(1, addresses(&[1], 9)), (16, addresses(&[1], 9)), (17, Err(Walked::Malformed))]
    {
        let mut answer = Answer::to(A);
        let mut owner = NAME;
        for step in 0..steps {
            let target = answer.end() + 12;
            answer = answer.alias(&owner, 9, &wire(&format!("s{step}")));
            owner = pointer(target);
        }

        assert_eq!(answer.a(&owner, 9, 1).learn(), expected, "{steps} steps");
    }
}

#[test]
fn a_loop_grants_nothing_beyond_the_name_asked() {
    let other = wire("b.net");
    let around = || Answer::to(A).alias(&NAME, 9, &other).alias(&other, 9, &NAME);

    assert_eq!(around().a(&NAME, 60, 1).learn(), addresses(&[1], 9));
    assert!(nothing(&around().a(&other, 60, 1).learn()));
    let own = Answer::to(A).alias(&NAME, 9, &NAME).alias(&NAME, 9, &NAME).a(&NAME, 60, 1);
    assert_eq!(own.learn(), addresses(&[1], 9));
    let endless = (0..17).fold(Answer::to(A), |answer, _| answer.alias(&NAME, 9, &NAME));
    assert!(endless.learn().is_err());
}

#[test]
fn records_of_other_owners_teach_nothing() {
    const OWNERS: [&str; 8] = [
        "",
        "com",
        "example.com",
        "ww.example.com",
        "wwww.example.com",
        "www.example.com.evil.net",
        "a.www.example.com",
        "www.example.con",
    ];
    for owner in OWNERS {
        let answer = Answer::to(A).a(&wire(owner), 1, 9).a(&NAME, 60, 1).a(&wire(owner), 1, 9);

        assert_eq!(answer.learn(), addresses(&[1], 60), "{owner}");
    }
    // By a pointer into the name asked: its parent.
    assert_eq!(Answer::to(A).a(&pointer(16), 1, 9).a(&NAME, 60, 1).learn(), addresses(&[1], 60));
}

#[test]
fn records_of_other_types_and_classes_are_skipped_by_their_length() {
    // NS, SOA, TXT, DNAME, OPT, RRSIG, HTTPS in an answer about A.
    for kind in [2, 6, 16, 39, 41, 46, HTTPS, 0, 65_535] {
        for length in [0, 1, 300] {
            let answer = Answer::to(A).record(&NAME, kind, 1, 1, &vec![0xff; length]);

            assert_eq!(answer.a(&NAME, 60, 1).learn(), addresses(&[1], 60), "{kind} {length}");
        }
    }
    // CHAOS, the cache-flush bit of mDNS, NONE, ANY, and none.
    for class in [3, 0x8001, 254, 255, 0] {
        let answer = Answer::to(A)
            .record(&NAME, A, class, 1, &[10, 0, 0, 9])
            .record(&NAME, A, class, 1, &[10])
            .record(&NAME, CNAME, class, 1, &wire("b.net"))
            .a(&NAME, 60, 1);

        assert_eq!(answer.learn(), addresses(&[1], 60), "{class:#x}");
    }
}

#[test]
fn an_alias_behind_what_it_leads_to_is_out_of_order() {
    let (b, c) = (wire("b.net"), wire("c.net"));
    let alias = || Answer::to(HTTPS).alias(&NAME, 9, &b);
    let cases: [(&str, Answer, Learned); 7] = [
        ("address, alias", Answer::to(A).a(&b, 9, 1).alias(&NAME, 9, &b), Err(Walked::OutOfOrder)),
        (
            "aliases the other way round",
            Answer::to(A).alias(&b, 9, &c).alias(&NAME, 9, &b).a(&c, 9, 1),
            Err(Walked::OutOfOrder),
        ),
        (
            "binding, alias",
            Answer::to(HTTPS).record(&b, HTTPS, 1, 9, &[0, 1, 0]).alias(&NAME, 9, &b),
            Err(Walked::OutOfOrder),
        ),
        (
            "a binding that was not asked for, alias",
            Answer::to(A).record(&b, HTTPS, 1, 9, &[0, 1, 0]).alias(&NAME, 9, &b).a(&b, 9, 1),
            addresses(&[1], 9),
        ),
        (
            "a skipped record behind all aliases",
            alias().a(&c, 9, 8).a(&b, 9, 1),
            addresses(&[1], 9),
        ),
        ("an address of the name before", alias().a(&NAME, 9, 8).a(&b, 9, 1), addresses(&[1], 9)),
        (
            "an own address, an alias behind it",
            Answer::to(A).a(&NAME, 9, 1).alias(&NAME, 8, &b).a(&b, 9, 2),
            addresses(&[1, 2], 8),
        ),
    ];
    for (label, answer, expected) in cases {
        assert_eq!(answer.learn(), expected, "{label}");
    }
}

#[test]
fn a_wrong_length_of_any_owner_makes_the_message_malformed() {
    for owner in [NAME.to_vec(), wire("other.net")] {
        for (kind, lengths) in [(A, [0, 3, 5, 16]), (AAAA, [0, 4, 15, 17])] {
            for length in lengths {
                let answer = Answer::to(ANY).a(&NAME, 60, 1);
                let answer = answer.record(&owner, kind, 1, 60, &vec![1; length]);

                assert_eq!(answer.learn(), Err(Walked::Malformed), "{kind} of {length}");
            }
        }
        let targets: [&[u8]; 5] = [b"", b"\x01b\0\0", b"\x01b", &[0xc0, 12, 0], &[0xc0]];
        for target in targets {
            let answer = Answer::to(A).a(&NAME, 60, 1).alias(&owner, 60, target);

            assert_eq!(answer.learn(), Err(Walked::Malformed), "{target:?}");
        }
    }
}

#[test]
fn a_message_cut_at_any_byte_teaches_nothing() {
    let chain = Answer::to(A).alias(&NAME, 300, &wire("a.cdn.net"));
    let answer = chain.a(&pointer(FIRST + 12), 60, 1).a(&pointer(FIRST + 12), 60, 2);
    assert_eq!(answer.learn(), addresses(&[1, 2], 60));
    for length in usize::from(FIRST)..answer.bytes.len() {
        let learned = learn(&answer.bytes[..length], answer.records);

        assert_eq!(learned, Err(Walked::Malformed), "{length}");
    }
}

#[test]
fn counts_decide_how_many_records_there_are() {
    let answer = Answer::to(A).a(&NAME, 60, 1).a(&NAME, 60, 2);

    // What the count leaves out is the next section's.
    assert_eq!(learn(&answer.bytes, 1), addresses(&[1], 60));
    assert!(nothing(&learn(&answer.bytes, 0)));
    assert_eq!(learn(&answer.bytes, 3), Err(Walked::Malformed));
    let trailing = [answer.bytes.as_slice(), &[0xff; 20]].concat();
    assert_eq!(learn(&trailing, 2), addresses(&[1, 2], 60));
}

#[test]
fn as_many_addresses_as_are_kept_and_not_one_more() {
    let most = u8::try_from(MAX_FOUND).unwrap();
    let answer =
        |count: u8| (0..count).fold(Answer::to(A), |answer, last| answer.a(&NAME, 9, last));

    assert_eq!(answer(most).learn(), addresses(&(0..most).collect::<Vec<_>>(), 9));
    assert_eq!(answer(most + 1).learn(), Err(Walked::OverBound));
}

#[test]
fn names_of_more_labels_than_there_are_rounds_are_over_the_bound() {
    let long: String = vec!["a"; 100].join(".");
    let answer = |count| (0..count).fold(Answer::to(A), |answer, _| answer.a(&wire(&long), 9, 9));

    assert_eq!(answer(1).a(&NAME, 9, 1).learn(), addresses(&[1], 9));
    assert_eq!(answer(2).a(&NAME, 9, 1).learn(), Err(Walked::OverBound));
}
