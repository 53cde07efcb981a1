//! DNS messages by the byte (RFC 1035, 4.1): those that no honest server sends as well.

use std::net::{IpAddr, Ipv4Addr};

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const TXT: u16 = 16;
pub(crate) const NXDOMAIN: u16 = 3;

const IN: u16 = 1;
const HEADER_BYTES: usize = 12;
const TTL_SECS: u32 = 300;
/// A pointer to the name in the question.
pub(crate) const ASKED: [u8; 2] = [0xc0, 12];

/// A name, from the dots of its text.
pub(crate) fn name(text: &str) -> Vec<u8> {
    labels(text.split('.').map(str::as_bytes))
}

/// A name of labels with any bytes in them.
pub(crate) fn labels<L: AsRef<[u8]>>(labels: impl IntoIterator<Item = L>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        let label = label.as_ref();
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

/// A question, recursion desired.
pub(crate) fn query(id: u16, name: &[u8], kind: u16) -> Vec<u8> {
    let mut bytes = halves([id, 0x0100, 1, 0, 0, 0]);
    bytes.extend(name);
    bytes.extend(halves([kind, IN]));
    bytes
}

/// The answer to a question that is all that `query` holds.
pub(crate) fn answer(query: &[u8], code: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap();
    let mut bytes = query[..2].to_vec();
    bytes.extend(halves([0x8180 | code, 1, count, 0, 0]));
    bytes.extend(&query[HEADER_BYTES..]);
    bytes.extend(records.concat());
    bytes
}

/// An answer that gives the name asked one address.
pub(crate) fn answer_with(query: &[u8], address: IpAddr) -> Vec<u8> {
    answer(query, 0, &[address_of(&ASKED, address)])
}

pub(crate) fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend(halves([kind, IN]));
    bytes.extend(TTL_SECS.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// An IPv4 address record.
pub(crate) fn address_of(owner: &[u8], address: IpAddr) -> Vec<u8> {
    let IpAddr::V4(address) = address else { panic!("{address} is no IPv4 address") };
    record(owner, A, &Ipv4Addr::octets(&address))
}

/// A message with its length in front, as over TCP (RFC 1035, 4.2.2).
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

fn halves<const N: usize>(halves: [u16; N]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_be_bytes()).collect()
}
