//! A name server that answers faster than it can be asked, and knows names without a list.
//!
//! A name says itself what it stands for: `n17.race.test` has the addresses of number 17, and its
//! second label may ask for another [`Form`] of answer. So there is a fresh name for each question
//! of a long run, and the client can tell what the answer must be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    dns::{self, PLAIN_UDP_BYTES},
    netns::Netns,
    probe::{Family, Transport},
    service::Service,
};

/// Records in an answer of [`Form::Many`]: more than 1,232 bytes in either family.
pub const MANY: u32 = 79;
/// Records in an answer of [`Form::Brief`]: as many as one datagram has room for, nearly.
pub const BRIEF: u32 = 64;
/// Lifetime of every other record: longer than any run.
const TTL_SECS: u32 = 3_600;
const HEADER_BYTES: usize = 12;
/// Between the addresses of two numbers that have [`MANY`] each.
const STRIDE: u32 = 128;

/// How a name is answered, by its second label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// One address; any label but the others.
    Plain,
    /// `cut`: over UDP only that the answer is too long; over TCP one address.
    Cut,
    /// `many`: [`MANY`] addresses.
    Many,
    /// `brief`: [`BRIEF`] IPv4 addresses that live a second.
    Brief,
    /// `silent`: nothing.
    Silent,
}

/// A server on UDP and TCP.
#[derive(Debug)]
pub struct Responder {
    _services: Vec<Service>,
}

impl Responder {
    /// Starts one that listens on each of `addresses`.
    ///
    /// # Errors
    ///
    /// That an address cannot be bound.
    pub fn start(
        world: &Netns,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> anyhow::Result<Self> {
        let services = dns::serve(world, addresses, |query, transport| {
            Question::read(query)?.answer(query, transport == Transport::Udp)
        })?;
        Ok(Self { _services: services })
    }
}

impl Form {
    /// The name of a number below a zone.
    pub fn name(self, number: u32, zone: &str) -> String {
        match self {
            Self::Plain => format!("n{number}.{zone}"),
            Self::Cut => format!("n{number}.cut.{zone}"),
            Self::Many => format!("n{number}.many.{zone}"),
            Self::Brief => format!("n{number}.brief.{zone}"),
            Self::Silent => format!("n{number}.silent.{zone}"),
        }
    }

    /// The first address of a number, of which the lower 24 bits count; with [`Self::Many`] the
    /// lower 12, with [`Self::Brief`] the lower 18.
    pub fn address(self, number: u32, family: Family) -> IpAddr {
        match (self, family) {
            (Self::Many, Family::V4) => {
                let first = u32::from(Ipv4Addr::new(172, 16, 0, 0));
                Ipv4Addr::from(first + (number & 0xfff) * STRIDE).into()
            }
            (Self::Brief, _) => {
                let first = u32::from(Ipv4Addr::new(11, 0, 0, 0));
                Ipv4Addr::from(first + (number & 0x3_ffff) * BRIEF).into()
            }
            (Self::Many, Family::V6) => v6(0x7acf, (number & 0xfff) * STRIDE).into(),
            (_, Family::V4) => {
                let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
                Ipv4Addr::from(first + (number & 0xff_ffff)).into()
            }
            (_, Family::V6) => v6(0x7ace, number & 0xff_ffff).into(),
        }
    }
}

fn v6(group: u16, number: u32) -> Ipv6Addr {
    let [a, b, c, d] = number.to_be_bytes();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Ipv6Addr::new(0x2001, 0xdb8, group, 0, 0, 0, high, low)
}

/// What is asked.
struct Question {
    number: u32,
    form: Form,
    /// `None`: of a type that no name has records of.
    family: Option<Family>,
    /// Where the question ends in the message.
    end: usize,
    /// What the client takes over UDP, where it says so (RFC 6891).
    takes: Option<usize>,
}

impl Question {
    fn read(query: &[u8]) -> Option<Self> {
        let mut at = HEADER_BYTES;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(query.get(at..at + length)?);
            at += length;
        }
        let number = str::from_utf8(labels.first()?.get(1..)?).ok()?.parse().ok()?;
        let form = match labels.get(1)?.to_ascii_lowercase().as_slice() {
            b"cut" => Form::Cut,
            b"many" => Form::Many,
            b"brief" => Form::Brief,
            b"silent" => Form::Silent,
            _ => Form::Plain,
        };
        let family = match query.get(at..at + 2)? {
            [0, 1] => Some(Family::V4),
            [0, 28] => Some(Family::V6),
            _ => None,
        };
        let end = at + 4;
        // An OPT record: the root, its type, and its class is the size.
        let takes = match query.get(end..end + 5) {
            Some([0, 0, 41, high, low]) => Some(usize::from(u16::from_be_bytes([*high, *low]))),
            _ => None,
        };
        Some(Self { number, form, family, end, takes })
    }

    /// The answer to the query it was read from; `None`: silence.
    fn answer(&self, query: &[u8], is_datagram: bool) -> Option<Vec<u8>> {
        let records = match (self.form, self.family) {
            (Form::Silent, _) => return None,
            (_, None) | (Form::Brief, Some(Family::V6)) => 0,
            (Form::Cut, _) if is_datagram => 0,
            (Form::Brief, Some(Family::V4)) => BRIEF,
            (Form::Many, Some(Family::V4)) => MANY,
            (Form::Many, Some(Family::V6)) => MANY * 16 / 28,
            _ => 1,
        };
        let is_cut = is_datagram && self.form == Form::Cut;
        let answer = self.encode(query, records, is_cut)?;
        let limit = self.takes.unwrap_or(PLAIN_UDP_BYTES);
        if is_datagram && answer.len() > limit {
            return self.encode(query, 0, true);
        }
        Some(answer)
    }

    fn encode(&self, query: &[u8], records: u32, is_cut: bool) -> Option<Vec<u8>> {
        let mut answer = Vec::with_capacity(1_400);
        answer.extend(query.get(..2)?);
        // An answer, recursion desired and available; whether cut short.
        answer.extend([if is_cut { 0x83 } else { 0x81 }, 0x80, 0, 1]);
        answer.extend(u16::try_from(records).ok()?.to_be_bytes());
        answer.extend([0, 0, 0, u8::from(self.takes.is_some())]);
        answer.extend(query.get(HEADER_BYTES..self.end)?);
        for index in 0..records {
            let (kind, address) = match self.form.address(self.number, self.family?) {
                IpAddr::V4(first) => (1, (u32::from(first) + index).to_be_bytes().to_vec()),
                IpAddr::V6(first) => {
                    (28, (u128::from(first) + u128::from(index)).to_be_bytes().to_vec())
                }
            };
            // A pointer to the question's name, type, class IN.
            answer.extend([0xc0, 12, 0, kind, 0, 1]);
            let ttl_secs = if self.form == Form::Brief { 1 } else { TTL_SECS };
            answer.extend(ttl_secs.to_be_bytes());
            answer.extend([0, u8::try_from(address.len()).ok()?]);
            answer.extend(address);
        }
        if self.takes.is_some() {
            answer.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests;
