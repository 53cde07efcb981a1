//! The IPv4 header (RFC 791, 3.1).

use std::net::{IpAddr, Ipv4Addr};

use enforcer_common::verdict::Reason;

use super::{Network, Piece};

pub(super) fn read(bytes: &[u8]) -> Result<Network, Reason> {
    let Some(
        [
            first,
            _,
            t0,
            t1,
            i0,
            i1,
            f0,
            f1,
            hop_limit,
            protocol,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ],
    ) = bytes.first_chunk::<20>()
    else {
        return Err(Reason::ShortPacket);
    };
    let version = first / 16;
    let header_bytes = usize::from(first % 16) * 4;
    if version != 4 || header_bytes < 20 {
        return Err(Reason::MalformedHeader);
    }
    // A length of zero is what the kernel writes for a packet that is cut up later; whether the
    // packet is shorter than it says is no matter of its headers.
    let total = usize::from(u16::from_be_bytes([*t0, *t1]));
    if total != 0 && total < header_bytes {
        return Err(Reason::MalformedHeader);
    }
    let Some(options) = bytes.get(20..header_bytes) else { return Err(Reason::ShortPacket) };
    read_options(options)?;
    let id = u32::from(u16::from_be_bytes([*i0, *i1]));
    let flags = u16::from_be_bytes([*f0, *f1]);
    let (has_more, offset) = (flags & 0x2000 != 0, usize::from(flags & 0x1fff) * 8);
    Ok(Network {
        source: IpAddr::V4(Ipv4Addr::new(*s0, *s1, *s2, *s3)),
        destination: IpAddr::V4(Ipv4Addr::new(*d0, *d1, *d2, *d3)),
        protocol: *protocol,
        hop_limit: *hop_limit,
        piece: match (offset, has_more) {
            (0, false) => Piece::Whole,
            (0, true) => Piece::First(id),
            _ => Piece::Later(id, offset),
        },
        transport: header_bytes,
    })
}

/// An option is one byte (end of options, no operation), or says its length in its second byte;
/// it must fit into the header. The loose source route is 131, the strict one 137.
fn read_options(mut options: &[u8]) -> Result<(), Reason> {
    loop {
        options = match options {
            [] | [0, ..] => return Ok(()),
            [1, rest @ ..] => rest,
            [131 | 137, ..] => return Err(Reason::SourceRoute),
            [_, length, ..] if *length >= 2 => {
                options.get(usize::from(*length)..).ok_or(Reason::MalformedHeader)?
            }
            _ => return Err(Reason::MalformedHeader),
        };
    }
}
