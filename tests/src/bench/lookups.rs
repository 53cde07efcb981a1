//! DNS questions and their answers, both ends of which are one thread's.
//!
//! A resolver is asked by others as well: where uplinks are judged, the agent asks once for what
//! one namespace has learned first. It gets its answer, and the packets count.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::Context as _;

use super::{
    clock::Stopwatch,
    sender::{PATIENCE, Spent},
};
use crate::service;

/// What the policy allows names of.
pub(super) const ZONE: &str = "bench.test";
const DNS_PORT: u16 = 53;
/// `ZONE` as a message has it (RFC 1035, 3.1).
const ENCODED: &[u8] = b"\x05bench\x04test\x00";
const HEADER_BYTES: usize = 12;
/// The digits of a name's first label: behind the header and the label's length.
const DIGITS: std::ops::Range<usize> = 13..21;
/// Where type and class are, behind the name.
const KIND: usize = DIGITS.end + ENCODED.len();
const QUESTION_END: usize = KIND + 4;
/// Types of records (RFC 1035, 3.2.2; RFC 3596, 2.1).
const A: u8 = 1;
const AAAA: u8 = 28;
const TTL_SECS: u32 = 3_600;
/// Longest message here.
const MAX_BYTES: usize = 512;
/// Names that are known: fewer than the agent asks for at a time.
const KNOWN: u32 = 32;
/// Nobody asks any more who has not asked for so long.
const QUIET: Duration = Duration::from_millis(100);

/// A client's socket and a resolver's.
pub(super) struct Lookups {
    near: UdpSocket,
    far: UdpSocket,
    own: SocketAddr,
    is_new: bool,
    /// Of the name that is asked for next.
    number: u32,
}

impl Lookups {
    /// `near` is connected to where `far` is bound. Names that are not to be new are asked for here.
    pub(super) fn begin(near: UdpSocket, far: UdpSocket, is_new: bool) -> anyhow::Result<Self> {
        let own = near.local_addr().context("read a socket's address")?;
        // New ones begin behind the known ones.
        let mut lookups = Self { near, far, own, is_new, number: KNOWN };
        if !is_new {
            lookups.send(KNOWN)?;
            service::set_patience(&lookups.far, QUIET)?;
            while lookups.answer()?.is_some() {}
            service::set_patience(&lookups.far, PATIENCE)?;
        }
        Ok(lookups)
    }

    /// Asks so many.
    pub(super) fn send(&mut self, count: u32) -> anyhow::Result<Spent> {
        let mut question = question(self.own.is_ipv4());
        let mut bytes = [0; MAX_BYTES];
        let watch = Stopwatch::start()?;
        for _ in 0..count {
            self.number += 1;
            let number = if self.is_new { self.number } else { self.number % KNOWN };
            write_number(&mut question, number);
            self.near.send(&question).context("ask")?;
            while self.answer()?.context("wait for a question")? != self.own {}
            let length = self.near.recv(&mut bytes).context("receive an answer")?;
            anyhow::ensure!(length > QUESTION_END, "receive an answer: it has {length} bytes");
        }
        Ok(Spent { units: count, time: watch.stop()? })
    }

    /// Answers whoever asks, and tells who it was; `None`: nobody asks.
    fn answer(&self) -> anyhow::Result<Option<SocketAddr>> {
        let mut bytes = [0; MAX_BYTES];
        let (length, from) = match self.far.recv_from(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            received => received.context("receive a question")?,
        };
        let asked = bytes.get(..length).unwrap_or_default();
        let answer = answer(asked).context("answer a question that is no name's of the zone")?;
        self.far.send_to(&answer, from).context("answer")?;
        Ok(Some(from))
    }
}

/// Where a resolver is asked.
pub(super) const fn server(resolver: IpAddr) -> SocketAddr {
    SocketAddr::new(resolver, DNS_PORT)
}

/// Wants recursion, and asks for a name whose digits are written for each.
fn question(is_v4: bool) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8];
    bytes.resize(DIGITS.end, b'0');
    bytes.extend(ENCODED);
    bytes.extend([0, if is_v4 { A } else { AAAA }, 0, 1]);
    bytes
}

/// The answer to a question: one address, where the type has any. It is none that an answer must not
/// open, as are those for documents.
fn answer(asked: &[u8]) -> Option<Vec<u8>> {
    let kind = *asked.get(KIND + 1)?;
    let number = read_number(asked)?;
    let address = match kind {
        A => Ipv4Addr::from_bits(21 << 24 | number & 0x00ff_ffff).octets().to_vec(),
        AAAA => {
            let network = Ipv6Addr::new(0x2a00, 0xda, 0, 0, 0, 0, 0, 0).to_bits();
            Ipv6Addr::from_bits(network | u128::from(number)).octets().to_vec()
        }
        _ => Vec::new(),
    };
    let mut bytes = Vec::with_capacity(MAX_BYTES);
    bytes.extend(asked.get(..2)?);
    // An answer, recursion wanted and had (RFC 1035, 4.1.1).
    bytes.extend([0x81, 0x80, 0, 1, 0, u8::from(!address.is_empty()), 0, 0, 0, 0]);
    bytes.extend(asked.get(HEADER_BYTES..QUESTION_END)?);
    if !address.is_empty() {
        // Its owner is a pointer to the question's name.
        bytes.extend([0xc0, 12, 0, kind, 0, 1]);
        bytes.extend(TTL_SECS.to_be_bytes());
        bytes.extend([0, u8::try_from(address.len()).ok()?]);
        bytes.extend(address);
    }
    Some(bytes)
}

fn write_number(message: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in message.get_mut(DIGITS).into_iter().flatten().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

fn read_number(message: &[u8]) -> Option<u32> {
    str::from_utf8(message.get(DIGITS)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hickory_proto::{op::Message, rr::RecordType};

    use super::*;

    #[test]
    fn an_answer_is_one_to_its_question() {
        for (is_v4, kind) in [(true, RecordType::A), (false, RecordType::AAAA)] {
            let mut asked = question(is_v4);
            write_number(&mut asked, 17);

            let answer = Message::from_vec(&answer(&asked).unwrap()).unwrap();
            let asked = Message::from_vec(&asked).unwrap();
            assert_eq!(asked.queries, answer.queries);
            assert_eq!(asked.metadata.id, answer.metadata.id);
            assert_eq!(asked.queries[0].name.to_ascii(), format!("00000017.{ZONE}."));
            assert_eq!(answer.answers[0].record_type(), kind);
            assert_eq!(answer.answers[0].name, asked.queries[0].name);
        }
    }
}
