//! The rules of learning, written down once more in the plainest way: all names are expanded, all
//! records are collected, and the chain is followed through the collection until nothing is left.
//!
//! `simple-dns` reads the same names and takes the records apart as well, and has to agree. Where
//! it follows other rules than we do, the message is prepared for it or the rule is looked at here
//! alone:
//!
//! ```text
//! it parses all sections or none          the sections behind the answers are cut off
//! it parses the data of all known types   types that teach nothing are made a private one
//! it knows five classes, and OPT          so are records of another class than IN
//! it wants Z to be zero                   the flags are replaced
//! it takes a pointer below itself         4.1.4 as we read it: below the run that it ends, and
//!                                         not into the header
//! it takes data longer than the record    lengths are looked at here
//! it expands the target of a binding      RFC 9460, 2.2: no compression; bindings are read here
//! ```
//!
//! It is not asked about a message with a name that leads into what was prepared, nor about an alias
//! to a name that leads back into the record and past its end: it reads no byte behind the record.

use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::{Packet, rdata::RData};

use super::walked::Outcome;

/// Longest chain.
const MAX_STEPS: usize = 16;
/// Pointers in one name that a walker has to follow.
const MAX_POINTERS: usize = 32;
/// A type for private use (RFC 6895), whose data the library does not look into.
const OPAQUE: u16 = 65_400;

/// What the rules say about a message.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says something else about the message")]
pub(crate) struct Verdict {
    /// What is learned, whatever the order of the records.
    pub(crate) outcome: Outcome,
    /// Whether the order of the records is not that of the chain.
    pub(crate) is_reordered: bool,
    /// Whether a name has more pointers than a walker has to follow.
    pub(crate) is_deep: bool,
    /// Aliases that were followed.
    pub(crate) steps: usize,
    /// Whether an address is a hint of a service binding.
    pub(crate) has_hints: bool,
    /// Whether the library was asked, and agreed.
    pub(crate) is_confirmed: bool,
}

/// Labels in lower case.
pub(crate) type Name = Vec<Vec<u8>>;

/// A record of the answer section.
struct Record {
    owner: Name,
    /// Where it begins, and where its owner ends.
    start: usize,
    header: usize,
    kind: u16,
    class: u16,
    ttl: u32,
    /// Where its data begins and ends.
    data: (usize, usize),
    /// Of a CNAME.
    target: Option<Name>,
    /// Most pointers in one of its names.
    pointers: usize,
}

/// Applies the rules.
pub(crate) fn learn(bytes: &[u8]) -> Verdict {
    let mut verdict = Verdict {
        outcome: Outcome::Ignored,
        is_reordered: false,
        is_deep: false,
        steps: 0,
        has_hints: false,
        is_confirmed: false,
    };
    let Some(asked) = question(bytes) else { return verdict };
    verdict.outcome = records(bytes, &asked)
        .and_then(|records| {
            verdict.is_deep = records.iter().any(|record| record.pointers > MAX_POINTERS);
            verdict.is_confirmed = confirm(bytes, &asked, &records);
            follow(bytes, &asked, &records, &mut verdict)
        })
        .unwrap_or(Outcome::Malformed);
    verdict
}

struct Asked {
    name: Name,
    kind: u16,
    /// Where the answer section begins.
    end: usize,
}

/// The question, where the message is an answer that is looked at.
fn question(bytes: &[u8]) -> Option<Asked> {
    let flags = half(bytes, 2)?;
    let is_answer = flags & 0x8000 != 0;
    let (opcode, code) = (flags >> 11 & 0xf, flags & 0xf);
    let Span { end, pointers, labels: name } = name(bytes, 12)?;
    let (kind, class) = (half(bytes, end)?, half(bytes, end + 2)?);
    let is_taken = is_answer
        && opcode == 0
        && code == 0
        && half(bytes, 4)? == 1
        && pointers == 0
        && class == 1
        && [1, 28, 64, 65, 255].contains(&kind);
    is_taken.then_some(Asked { name, kind, end: end + 4 })
}

/// All records of the answer section; none where one of them is against the rules.
fn records(bytes: &[u8], asked: &Asked) -> Option<Vec<Record>> {
    let mut start = asked.end;
    let mut records = Vec::new();
    for _ in 0..half(bytes, 6)? {
        let Span { end: header, mut pointers, labels: owner } = name(bytes, start)?;
        let (kind, class) = (half(bytes, header)?, half(bytes, header + 2)?);
        let ttl = u32::from(half(bytes, header + 4)?) << 16 | u32::from(half(bytes, header + 6)?);
        let data = header + 10;
        let length = usize::from(half(bytes, header + 8)?);
        let end = data + length;
        bytes.get(data..end)?;
        let mut target = None;
        match (class, kind) {
            (1, 1) if length != 4 => return None,
            (1, 28) if length != 16 => return None,
            (1, 5) => {
                let span = name(bytes, data).filter(|span| span.end == end)?;
                pointers = pointers.max(span.pointers);
                target = Some(span.labels);
            }
            _ => {}
        }
        let data = (data, end);
        records.push(Record { owner, start, header, kind, class, ttl, data, target, pointers });
        start = end;
    }
    Some(records)
}

/// Whether the library could be asked; panics where it does not read the same.
fn confirm(bytes: &[u8], asked: &Asked, records: &[Record]) -> bool {
    let mut prepared = bytes.to_vec();
    // | id | flags | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT |
    prepared[2..4].copy_from_slice(&[0x80, 0]);
    prepared[8..12].fill(0);
    for record in
        records.iter().filter(|record| record.class != 1 || ![1, 5, 28].contains(&record.kind))
    {
        prepared[record.header..record.header + 2].copy_from_slice(&OPAQUE.to_be_bytes());
        prepared[record.header + 2..record.header + 4].copy_from_slice(&[0, 1]);
    }
    let is_untouched = records.iter().all(|record| {
        let owner = name(&prepared, record.start);
        let target =
            record.target.as_ref().and_then(|_| name(&prepared[..record.data.1], record.data.0));
        owner.is_some_and(|owner| owner.labels == record.owner)
            && target.map(|target| target.labels) == record.target
    });
    if !is_untouched {
        return false;
    }
    let packet = Packet::parse(&prepared).expect("the library takes what the rules take");
    assert_eq!(packet.questions.len(), 1, "one question");
    assert_eq!(labels(&packet.questions[0].qname), asked.name, "the name asked");
    assert_eq!(packet.answers.len(), records.len(), "as many records");
    for (theirs, record) in packet.answers.iter().zip(records) {
        let target =
            if let RData::CNAME(target) = &theirs.rdata { Some(labels(target)) } else { None };
        assert_eq!((labels(&theirs.name), target), (record.owner.clone(), record.target.clone()));
        assert_eq!(theirs.ttl, record.ttl, "the time to live");
    }
    true
}

/// Follows the chain, again and again through all records that are left.
fn follow(
    bytes: &[u8],
    asked: &Asked,
    records: &[Record],
    verdict: &mut Verdict,
) -> Option<Outcome> {
    let mut left: Vec<&Record> = records.iter().filter(|record| record.class == 1).collect();
    let mut current = asked.name.clone();
    let (mut addresses, mut ttl) = (Vec::new(), u32::MAX);
    for pass in 0.. {
        let before = left.len();
        let mut rest = Vec::new();
        for record in left {
            let is_binding = [64, 65].contains(&record.kind);
            let is_asked = !is_binding || asked.kind == record.kind || asked.kind == 255;
            if record.owner != current || ![1, 5, 28, 64, 65].contains(&record.kind) || !is_asked {
                rest.push(record);
                continue;
            }
            let data = &bytes[record.data.0..record.data.1];
            let mut target = None;
            let mut is_used = true;
            match record.kind {
                1 => addresses.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
                28 => addresses.push(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
                5 => target.clone_from(&record.target),
                _ => {
                    let binding = binding(data)?;
                    if binding.is_alias {
                        is_used = !binding.target.is_empty();
                        target = Some(binding.target).filter(|name| !name.is_empty());
                    } else {
                        let is_own = binding.target.is_empty() || binding.target == current;
                        is_used = is_own && !binding.hints.is_empty();
                        verdict.has_hints |= is_used;
                        addresses.extend(binding.hints.into_iter().filter(|_| is_own));
                    }
                }
            }
            if is_used {
                // RFC 2181, 8.
                ttl = ttl.min(if record.ttl > i32::MAX.unsigned_abs() { 0 } else { record.ttl });
                verdict.is_reordered |= pass > 0;
            }
            if let Some(target) = target {
                verdict.steps += 1;
                if verdict.steps > MAX_STEPS {
                    return None;
                }
                current = target;
            }
        }
        if rest.len() == before {
            break;
        }
        left = rest;
    }
    Some(Outcome::Whole { addresses, ttl })
}

/// A service binding (RFC 9460, 2.2).
struct Binding {
    is_alias: bool,
    target: Name,
    hints: Vec<std::net::IpAddr>,
}

fn binding(data: &[u8]) -> Option<Binding> {
    let is_alias = half(data, 0)? == 0;
    let mut target = Name::new();
    let mut at = 2;
    loop {
        let length = usize::from(*data.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => target.push(data.get(at..at + length)?.to_ascii_lowercase()),
            _ => return None,
        }
        at += length;
    }
    if at - 2 > 255 {
        return None;
    }
    let mut hints = Vec::new();
    let mut last = None;
    // RFC 9460, 2.4.2: the parameters of an alias are ignored.
    while !is_alias && at < data.len() {
        let (key, length) = (half(data, at)?, usize::from(half(data, at + 2)?));
        let value = data.get(at + 4..at + 4 + length)?;
        at += 4 + length;
        if last.is_some_and(|last| key <= last) {
            return None;
        }
        last = Some(key);
        let bytes = match key {
            4 => 4,
            6 => 16,
            _ => continue,
        };
        if value.is_empty() || value.len() % bytes != 0 {
            return None;
        }
        for hint in value.chunks(bytes) {
            hints.push(match <[u8; 4]>::try_from(hint) {
                Ok(octets) => octets.into(),
                Err(_) => <[u8; 16]>::try_from(hint).ok()?.into(),
            });
        }
    }
    Some(Binding { is_alias, target, hints })
}

/// A name in a message.
pub(crate) struct Span {
    /// What follows it.
    pub(crate) end: usize,
    pub(crate) pointers: usize,
    pub(crate) labels: Name,
}

/// Reads a name: a pointer leads below the run of labels that it ends, and not into the header.
pub(crate) fn name(bytes: &[u8], start: usize) -> Option<Span> {
    let (mut at, mut run, mut pointers, mut end) = (start, start, 0, None);
    let mut labels = Name::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => {
                // RFC 1035, 2.3.4: 255 with the root.
                let is_short = labels.iter().map(|label| label.len() + 1).sum::<usize>() < 255;
                return is_short.then_some(Span { end: end.unwrap_or(at + 1), pointers, labels });
            }
            1..=0x3f => {
                labels.push(bytes.get(at + 1..at + 1 + length)?.to_ascii_lowercase());
                at += 1 + length;
            }
            0x40..=0xbf => return None,
            _ => {
                let target = usize::from(half(bytes, at)? & 0x3fff);
                if target >= run || target < 12 {
                    return None;
                }
                end = end.or(Some(at + 2));
                (at, run) = (target, target);
                pointers += 1;
            }
        }
    }
}

fn labels(name: &simple_dns::Name<'_>) -> Name {
    name.as_bytes().map(<[u8]>::to_ascii_lowercase).collect()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
