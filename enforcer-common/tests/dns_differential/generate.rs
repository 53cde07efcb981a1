//! Answers as servers write them, and as nobody should.

use std::collections::HashMap;

use super::random::Random;

/// A message under construction, with the places where a change is most likely to matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// The message.
    pub(crate) bytes: Vec<u8>,
    /// Where RDLENGTHs, parameters' lengths and counts stand.
    pub(crate) lengths: Vec<usize>,
    /// Where names begin, and where pointers stand.
    pub(crate) names: Vec<usize>,
    /// Suffixes that were written, and where.
    known: HashMap<Vec<u8>, u16>,
}

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    /// Whatever was written before is pointed to, as servers do.
    Full,
    /// Nothing is pointed to.
    None,
    /// Each name one way or the other, and some with labels in front of a pointer into a label.
    Mixed,
}

/// Labels of the names that messages are about.
const LABELS: [&str; 14] = [
    "www",
    "example",
    "com",
    "net",
    "cdn",
    "blob",
    "a",
    "b",
    "_tcp",
    "x--y",
    "abcdefgh",
    "abcdefghi",
    "abcdefghijklmnop",
    "a-label-of-sixty-three-bytes-which-is-as-long-as-a-label-can-be",
];
/// A, AAAA, HTTPS, SVCB, ANY, and some whose answers are not looked at.
const QUESTION_TYPES: [u16; 16] = [1, 1, 1, 1, 1, 28, 28, 28, 65, 65, 65, 64, 255, 255, 16, 5];
/// Types whose records are skipped: NS, SOA, TXT, DNAME, OPT, RRSIG, private.
const SKIPPED_TYPES: [u16; 7] = [2, 6, 16, 39, 41, 46, 65_500];

/// Writes one answer.
pub(crate) fn answer(random: &mut Random) -> Draft {
    let mut draft = Draft::default();
    let question_type = random.pick(&QUESTION_TYPES);
    let name = any_name(random);
    draft.header(random);
    draft.names.push(12);
    draft.name(&name, Compression::Full, random);
    draft.number(question_type);
    draft.number(if random.one_in(100) { 3 } else { 1 });

    let compression =
        random.pick(&[Compression::Full, Compression::Full, Compression::None, Compression::Mixed]);
    let mut records = records(random, question_type, &name);
    if random.one_in(10) {
        shuffle(random, &mut records);
    }
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    for record in &records {
        // What a kernel walks ends at 4,096 bytes.
        if draft.bytes.len() > 3_600 {
            break;
        }
        draft.record(record, compression, random);
    }
    let count = if random.one_in(60) { count.wrapping_sub(1) } else { count };
    draft.bytes[6..8].copy_from_slice(&count.to_be_bytes());
    if random.one_in(8) {
        for _ in 0..random.below(40) {
            draft.bytes.push(random.byte());
        }
    }
    draft
}

type Labels = Vec<&'static str>;

#[derive(Debug, Clone)]
struct Record {
    owner: Labels,
    kind: u16,
    class: u16,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Bytes(usize),
    Name(Labels),
    Binding { priority: u16, target: Labels, parameters: Vec<(u16, usize)> },
}

fn any_name(random: &mut Random) -> Labels {
    match random.below(60) {
        0 => Labels::new(),
        // Three long labels, and others up to the longest name and one byte past it.
        1 => {
            let mut name = vec![LABELS[13]; 3];
            name.extend(vec!["a"; 27 + random.below(6)]);
            name
        }
        _ => (0..=random.below(4)).map(|_| random.pick(&LABELS)).collect(),
    }
}

/// A chain, what it leads to, and some records beside it.
fn records(random: &mut Random, question_type: u16, asked: &Labels) -> Vec<Record> {
    let mut records = Vec::new();
    let mut current = asked.clone();
    let steps = match random.below(40) {
        0 => 14 + random.below(5),
        1..=20 => 0,
        _ => 1 + random.below(4),
    };
    for _ in 0..steps {
        stray(random, &mut records, &current);
        let target = if random.one_in(12) { asked.clone() } else { any_name(random) };
        let is_binding = [64, 65, 255].contains(&question_type) && random.one_in(3);
        let data = if is_binding {
            Data::Binding { priority: 0, target: target.clone(), parameters: Vec::new() }
        } else {
            Data::Name(target.clone())
        };
        let kind = if !is_binding {
            5
        } else if question_type == 255 {
            65
        } else {
            question_type
        };
        records.push(Record { owner: current, kind, class: 1, data });
        current = target;
    }
    let addresses = match random.below(60) {
        0 => 75 + random.below(12),
        1..=6 => 0,
        7..=20 => 1,
        _ => random.below(9),
    };
    for _ in 0..addresses {
        stray(random, &mut records, &current);
        let is_binding = [64, 65, 255].contains(&question_type) && random.one_in(2);
        records.push(if is_binding {
            binding(random, &current, if question_type == 64 { 64 } else { 65 })
        } else {
            address(random, current.clone(), question_type)
        });
    }
    stray(random, &mut records, &current);
    records
}

/// Perhaps a record that is none of the chain's.
fn stray(random: &mut Random, records: &mut Vec<Record>, current: &Labels) {
    if !random.one_in(9) {
        return;
    }
    let owner = if random.one_in(2) { current.clone() } else { any_name(random) };
    let class = if random.one_in(6) { random.pick(&[3, 0x8001, 254, 0]) } else { 1 };
    let mut record = match random.below(6) {
        0 => address(random, owner, 1),
        1 => Record { owner, kind: 5, class, data: Data::Name(any_name(random)) },
        2 => binding(random, current, 65),
        _ => {
            let kind = random.pick(&SKIPPED_TYPES);
            Record { owner, kind, class, data: Data::Bytes(random.below(30)) }
        }
    };
    record.class = class;
    records.push(record);
}

fn address(random: &mut Random, owner: Labels, question_type: u16) -> Record {
    let is_v6 = question_type == 28 || question_type != 1 && random.one_in(2);
    // Now and then of the other family.
    let (kind, length) = if is_v6 ^ random.one_in(20) { (28, 16) } else { (1, 4) };
    Record { owner, kind, class: 1, data: Data::Bytes(length) }
}

fn binding(random: &mut Random, owner: &Labels, kind: u16) -> Record {
    let mut parameters = Vec::new();
    let mut key = u16::try_from(random.below(3)).unwrap_or(0);
    for _ in 0..random.below(5) {
        let count = 1 + random.below(3);
        let length = match key {
            4 => 4 * count,
            6 => 16 * count,
            _ => random.below(8),
        };
        parameters.push((key, length));
        key += u16::try_from(1 + random.below(3)).unwrap_or(1);
    }
    let target = match random.below(4) {
        0 => owner.clone(),
        1 => any_name(random),
        _ => Labels::new(),
    };
    let priority = u16::from(!random.one_in(15));
    let data = Data::Binding { priority, target, parameters };
    Record { owner: owner.clone(), kind, class: 1, data }
}

fn shuffle(random: &mut Random, records: &mut [Record]) {
    for index in (1..records.len()).rev() {
        records.swap(index, random.below(index + 1));
    }
}

impl Draft {
    fn header(&mut self, random: &mut Random) {
        self.number(0x1234);
        // | QR 1 | OPCODE 4 | AA 1 | TC 1 | RD 1 | RA 1 | Z 3 | RCODE 4 |
        let odd = [0x8183, 0x8580, 0x8380, 0x81f0, 0x0100, 0x8900];
        self.number(if random.one_in(30) { random.pick(&odd) } else { 0x8180 });
        self.number(if random.one_in(100) { 2 } else { 1 });
        self.lengths.push(6);
        self.bytes.extend([0; 6]);
    }

    fn number(&mut self, number: u16) {
        self.bytes.extend(number.to_be_bytes());
    }

    fn record(&mut self, record: &Record, compression: Compression, random: &mut Random) {
        self.names.push(self.bytes.len());
        self.name(&record.owner, compression, random);
        self.number(record.kind);
        self.number(record.class);
        let ttl = if random.one_in(30) { random.next() } else { random.next() % 4_000 };
        self.bytes.extend(&ttl.to_be_bytes()[4..]);
        let length_at = self.bytes.len();
        self.lengths.push(length_at);
        self.number(0);
        match &record.data {
            Data::Bytes(length) => self.bytes.extend((0..*length).map(|_| random.byte())),
            Data::Name(name) => {
                self.names.push(self.bytes.len());
                self.name(name, compression, random);
            }
            Data::Binding { priority, target, parameters } => {
                self.number(*priority);
                self.names.push(self.bytes.len());
                // Few servers compress it, against the rules.
                let compression = if random.one_in(12) { compression } else { Compression::None };
                self.name(target, compression, random);
                for (key, length) in parameters {
                    self.number(*key);
                    self.lengths.push(self.bytes.len());
                    self.number(u16::try_from(*length).unwrap_or(u16::MAX));
                    self.bytes.extend((0..*length).map(|_| random.byte()));
                }
            }
        }
        let length = u16::try_from(self.bytes.len() - length_at - 2).unwrap_or(u16::MAX);
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn name(&mut self, labels: &[&'static str], compression: Compression, random: &mut Random) {
        for index in 0..labels.len() {
            let suffix = labels[index..].join(".").into_bytes();
            let at = u16::try_from(self.bytes.len()).ok().filter(|at| *at < 0x4000);
            let is_taken = match compression {
                Compression::Full => true,
                Compression::None => false,
                Compression::Mixed => random.one_in(2),
            };
            if let Some(known) = self.known.get(&suffix).copied().filter(|_| is_taken) {
                self.names.push(self.bytes.len());
                self.number(0xc000 | known);
                return;
            }
            if let Some(at) = at {
                // The first place, as servers have it, or the latest.
                if random.one_in(4) {
                    self.known.insert(suffix, at);
                } else {
                    self.known.entry(suffix).or_insert(at);
                }
            }
            let is_upper = random.one_in(10);
            let label = labels[index].as_bytes();
            self.bytes.push(u8::try_from(label.len()).unwrap_or(0));
            self.bytes.extend(
                label.iter().map(|byte| if is_upper { byte.to_ascii_uppercase() } else { *byte }),
            );
        }
        self.bytes.push(0);
    }
}
