//! The IPv6 header and its extension headers (RFC 8200, 3 and 4).

use std::net::{IpAddr, Ipv6Addr};

use enforcer_common::verdict::Reason;

use super::{Network, Piece};

/// How many extension headers there may be.
const MOST_HEADERS: usize = 8;
/// Where they must have ended: behind 40 bytes of header and 256 of theirs. A fragment header is
/// not what makes them too many.
const MOST_BYTES: usize = 40 + 256;

pub(super) fn read(bytes: &[u8]) -> Result<Network, Reason> {
    let Some(header) = bytes.first_chunk::<40>() else { return Err(Reason::ShortPacket) };
    let [first, _, _, _, _, _, next, hop_limit, addresses @ ..] = header;
    let mut next = *next;
    if first / 16 != 6 {
        return Err(Reason::MalformedHeader);
    }
    let ([source, destination], _) = addresses.as_chunks::<16>() else {
        return Err(Reason::ShortPacket);
    };
    let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
    if has_v4(source) || has_v4(destination) {
        return Err(Reason::MappedAddress);
    }
    let mut piece = Piece::Whole;
    let mut position = 40;
    for count in 0.. {
        match next {
            // Hop-by-hop options, routing, fragment, authentication, destination options.
            0 | 43 | 44 | 51 | 60 => {}
            // Mobility, host identity, SHIM6: another address is inside.
            135 | 139 | 140 => return Err(Reason::ExtensionHeader),
            _ => break,
        }
        // Where the pieces of a datagram begin with one, a piece that begins behind the length of a
        // transport header may still be over it.
        let is_in_pieces = matches!(piece, Piece::First(_));
        if count == MOST_HEADERS || is_in_pieces {
            return Err(Reason::ExtensionHeader);
        }
        let header = bytes.get(position..).and_then(|rest| rest.first_chunk::<8>());
        let Some([successor, length, third, fourth, id @ ..]) = header else {
            return Err(Reason::ShortPacket);
        };
        let kind = next;
        next = *successor;
        if kind == 44 {
            position += 8;
            let field = u16::from_be_bytes([*third, *fourth]);
            let (offset, has_more) = (usize::from(field / 8) * 8, field % 2 == 1);
            let id = u32::from_be_bytes(*id);
            piece = match (offset, has_more) {
                (0, false) => Piece::Whole,
                (0, true) => Piece::First(id),
                _ => Piece::Later(id, offset),
            };
            if let Piece::Later(..) = piece {
                break;
            }
            continue;
        }
        if kind == 43 && *fourth != 0 {
            return Err(Reason::SourceRoute);
        }
        position += match kind {
            51 => (usize::from(*length) + 2) * 4,
            _ => (usize::from(*length) + 1) * 8,
        };
        if position > MOST_BYTES {
            return Err(Reason::ExtensionHeader);
        }
    }
    Ok(Network {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol: next,
        hop_limit: *hop_limit,
        piece,
        transport: position,
    })
}

/// Whether an IPv4 address is mapped into it, or compatible with it (RFC 4291, 2.5.5): `::` and
/// `::1` only look like that.
fn has_v4(address: Ipv6Addr) -> bool {
    let is_either = address.is_unspecified() || address.is_loopback();
    address.to_ipv4().is_some() && !is_either
}
