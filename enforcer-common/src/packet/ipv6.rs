//! The IPv6 header and its extension headers (RFC 8200).

use super::{Bytes, Network, Piece};
use crate::{address::Address, verdict::Reason};

const HEADER_BYTES: u32 = 40;
/// How many extension headers are walked: RFC 8200, 4.1 names six kinds, one of them twice.
const MAX_EXTENSIONS: u32 = 8;
/// How many bytes of them: more than any sender of our day needs.
const MAX_EXTENSION_BYTES: u32 = 256;

const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION_OPTIONS: u32 = 60;
const MOBILITY: u32 = 135;
const HOST_IDENTITY: u32 = 139;
const SHIM6: u32 = 140;

const MORE_FRAGMENTS: u32 = 1;

#[inline(always)]
pub(super) fn parse(bytes: &impl Bytes) -> Result<Network, Reason> {
    let Some([first, second, s0, s1, s2, s3, d0, d1, d2, d3]) = bytes.words::<10>(0) else {
        return Err(Reason::ShortPacket);
    };
    // | version 4 | class 8 | label 20 |
    if u32::from_be(first) >> 28 != 6 {
        return Err(Reason::MalformedHeader);
    }
    let source = Address::from_words([s0, s1, s2, s3]);
    let destination = Address::from_words([d0, d1, d2, d3]);
    if destination.is_v4_in_v6() || source.is_v4_in_v6() {
        return Err(Reason::MappedAddress);
    }
    // | payload length 16 | next header 8 | hop limit 8 |
    let second = u32::from_be(second);
    let walked = walk_extensions(bytes, second >> 8 & 0xff)?;
    Ok(Network {
        source,
        destination,
        id: walked.id,
        payload: walked.offset,
        fragment_offset: walked.fragment_offset,
        protocol: walked.protocol,
        hop_limit: second & 0xff,
        piece: walked.piece,
    })
}

struct Walk {
    offset: u32,
    protocol: u32,
    id: u32,
    fragment_offset: u32,
    piece: Piece,
}

#[inline(always)]
fn walk_extensions(bytes: &impl Bytes, protocol: u32) -> Result<Walk, Reason> {
    let mut walk =
        Walk { offset: HEADER_BYTES, protocol, id: 0, fragment_offset: 0, piece: Piece::WHOLE };
    for _ in 0..MAX_EXTENSIONS {
        walk = Walk {
            offset: bytes.forget(walk.offset) & 0x1ff,
            protocol: bytes.forget(walk.protocol) & 0xff,
            id: bytes.forget(walk.id),
            fragment_offset: 0,
            piece: Piece(bytes.forget(walk.piece.0)),
        };
        match walk.protocol {
            FRAGMENT | HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | AUTHENTICATION => {}
            MOBILITY | HOST_IDENTITY | SHIM6 => return Err(Reason::ExtensionHeader),
            _ => return Ok(walk),
        }
        // Offsets of later fragments count from the end of the fragment header: one that is behind
        // every transport header would still be over the ports behind further extension headers.
        if walk.piece == Piece::FIRST {
            return Err(Reason::ExtensionHeader);
        }
        // No extension header is shorter than eight bytes.
        let Some([first, id]) = bytes.words::<2>(walk.offset) else {
            return Err(Reason::ShortPacket);
        };
        // | next header 8 | length 8 | of the kind 16 |
        let first = u32::from_be(first);
        let (kind, length) = (walk.protocol, first >> 16 & 0xff);
        walk.protocol = first >> 24;
        if kind == FRAGMENT {
            // | next header 8 | reserved 8 | fragment offset 13 | reserved 2 | more 1 |
            walk.offset += 8;
            walk.id = id;
            walk.fragment_offset = (first & 0xffff) >> 3;
            walk.piece = Piece::of(walk.fragment_offset, first & MORE_FRAGMENTS != 0);
            if walk.piece == Piece::LATER {
                return Ok(walk);
            }
            continue;
        }
        // | next header 8 | length 8 | routing type 8 | segments left 8 |
        if kind == ROUTING && first & 0xff != 0 {
            return Err(Reason::SourceRoute);
        }
        // RFC 4302, 2.2: the authentication header counts four-byte words, less two.
        walk.offset += if kind == AUTHENTICATION { (length + 2) << 2 } else { (length + 1) << 3 };
        if walk.offset > HEADER_BYTES + MAX_EXTENSION_BYTES {
            return Err(Reason::ExtensionHeader);
        }
    }
    match walk.protocol {
        FRAGMENT | HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | AUTHENTICATION | MOBILITY
        | HOST_IDENTITY | SHIM6 => Err(Reason::ExtensionHeader),
        _ => Ok(walk),
    }
}
