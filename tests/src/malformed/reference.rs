//! The plain reference: what becomes of a packet, read slowly and one header after the other.
//!
//! It is written from the documents (RFC 791, RFC 8200, RFC 4302, `docs/reasons.md`) and knows
//! neither the parser nor the decision that it is compared with. Where headers say two things, the
//! one that comes first in the packet counts.

mod implicit;
mod ipv4;
mod ipv6;

use std::{collections::HashMap, net::IpAddr};

use enforcer_common::verdict::Reason;

use super::{
    generate::{Draft, IPV4, IPV6},
    outcome::Outcome,
    policy,
};

/// Which piece of a datagram a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Whole,
    /// With the identification.
    First(u32),
    /// With the identification and where it begins, in bytes.
    Later(u32, usize),
}

/// A network header, read.
struct Network {
    source: IpAddr,
    destination: IpAddr,
    /// Behind all extension headers.
    protocol: u8,
    hop_limit: u8,
    piece: Piece,
    /// Where the transport header begins; the packet may have ended before.
    transport: usize,
}

/// A packet, read.
struct Headers<'a> {
    bytes: &'a [u8],
    network: Network,
    /// 0 where the protocol has none, or the packet is a later fragment.
    source_port: u16,
    /// 0 as above; for ICMP and `ICMPv6` the type.
    destination_port: u16,
}

/// What the fragments of a datagram have in common.
type Datagram = (IpAddr, IpAddr, u32, u8);

/// Judges packets, and remembers datagrams whose first fragment passed.
#[derive(Debug, Default)]
pub(super) struct Reference {
    datagrams: HashMap<Datagram, Outcome>,
    followed: u64,
}

impl Reference {
    /// What becomes of a packet.
    pub(super) fn judge(&mut self, draft: &Draft) -> Outcome {
        match read(draft) {
            Ok(headers) => self.decide(&headers),
            Err(reason) => Outcome::Dropped(reason),
        }
    }

    /// How many datagrams are remembered.
    pub(super) fn datagrams(&self) -> usize {
        self.datagrams.len()
    }

    /// How many later fragments passed because their first had.
    pub(super) fn followed(&self) -> u64 {
        self.followed
    }

    /// Forgets all datagrams.
    pub(super) fn forget(&mut self) {
        self.datagrams.clear();
    }

    fn decide(&mut self, headers: &Headers<'_>) -> Outcome {
        let network = &headers.network;
        let datagram = |id| (network.source, network.destination, id, network.protocol);
        if let Piece::Later(id, _) = network.piece {
            let first = self.datagrams.get(&datagram(id)).copied();
            self.followed += u64::from(first.is_some());
            return first.unwrap_or(Outcome::Dropped(Reason::OrphanFragment));
        }
        let port = if has_ports(network.protocol) { headers.destination_port } else { 0 };
        let outcome = match implicit::accepts(headers) {
            Some(implicit) => Outcome::Implicit(implicit),
            None => match policy::rule(network.destination, network.protocol, port) {
                Some(policy::DENYING) => Outcome::Dropped(Reason::Rule),
                Some(rule) => Outcome::Rule(rule),
                None => Outcome::Dropped(Reason::NoRule),
            },
        };
        if let Piece::First(id) = network.piece
            && outcome.is_passed()
        {
            self.datagrams.insert(datagram(id), outcome);
        }
        outcome
    }
}

const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

fn read(draft: &Draft) -> Result<Headers<'_>, Reason> {
    let bytes = draft.bytes.as_slice();
    let network = match draft.ethertype {
        IPV4 => ipv4::read(bytes)?,
        IPV6 => ipv6::read(bytes)?,
        _ => return Err(Reason::NotIp),
    };
    let mut headers = Headers { bytes, network, source_port: 0, destination_port: 0 };
    // TCP (RFC 9293, 3.1), UDP (RFC 768), ICMP (RFC 792; RFC 4443, 2.1), SCTP (RFC 9260, 3.1).
    let needed = match headers.network.protocol {
        6 => 20,
        17 | 1 | 58 => 8,
        132 => 12,
        _ => 0,
    };
    if let Piece::Later(_, offset) = headers.network.piece {
        let is_over_header = offset < needed;
        return if is_over_header { Err(Reason::OverlappingFragment) } else { Ok(headers) };
    }
    let transport = headers.network.transport;
    match bytes.get(transport..transport + needed) {
        Some(header) => {
            if let (1 | 58, [kind, ..]) = (headers.network.protocol, header) {
                headers.destination_port = u16::from(*kind);
            } else if let [a, b, c, d, ..] = header {
                headers.source_port = u16::from_be_bytes([*a, *b]);
                headers.destination_port = u16::from_be_bytes([*c, *d]);
            }
            Ok(headers)
        }
        None if needed > 0 && headers.network.piece != Piece::Whole => Err(Reason::TinyFragment),
        None => Err(Reason::ShortPacket),
    }
}
