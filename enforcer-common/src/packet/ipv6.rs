//! The IPv6 header and its extension headers (RFC 8200).

use super::{Bytes, Packet, Piece, transport};
use crate::{address::Address, verdict::Reason};

const HEADER_BYTES: u32 = 40;
/// How many extension headers are walked: RFC 8200, 4.1 names six kinds, one of them twice.
const MAX_EXTENSIONS: u32 = 8;
/// How many bytes of them: more than any sender of our day needs.
const MAX_EXTENSION_BYTES: u32 = 256;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

const MORE_FRAGMENTS: u16 = 1;

#[inline(always)]
pub(super) fn parse(bytes: &impl Bytes) -> Result<Packet, Reason> {
    let Some([version, _, _, _, _, _, next, hop_limit]) = bytes.load::<8>(0) else {
        return Err(Reason::ShortPacket);
    };
    let Some(source) = bytes.load::<16>(8) else { return Err(Reason::ShortPacket) };
    let Some(destination) = bytes.load::<16>(24) else { return Err(Reason::ShortPacket) };
    if version >> 4 != 6 {
        return Err(Reason::MalformedHeader);
    }
    let mut packet = Packet {
        source: Address::from_v6(source),
        destination: Address::from_v6(destination),
        id: [0; 4],
        length: bytes.length(),
        source_port: 0,
        destination_port: 0,
        protocol: next,
        hop_limit,
        is_v6: true,
        piece: Piece::Whole,
    };
    if packet.destination.is_v4_in_v6() || packet.source.is_v4_in_v6() {
        return Err(Reason::MappedAddress);
    }
    let (offset, fragment_offset) = walk_extensions(bytes, &mut packet)?;
    transport::parse(bytes, &mut packet, offset, fragment_offset)?;
    Ok(packet)
}

/// Sets `protocol`, `piece` and `id`; gives the offset of the transport header and of the
/// fragment in its datagram, in units of eight bytes.
#[inline(always)]
fn walk_extensions(bytes: &impl Bytes, packet: &mut Packet) -> Result<(u32, u16), Reason> {
    let mut offset = HEADER_BYTES;
    for _ in 0..MAX_EXTENSIONS {
        match packet.protocol {
            FRAGMENT => {
                let Some([next, _, high, low, id @ ..]) = bytes.load::<8>(offset) else {
                    return Err(Reason::ShortPacket);
                };
                let field = u16::from_be_bytes([high, low]);
                packet.id = id;
                packet.protocol = next;
                offset += 8;
                if field >> 3 != 0 {
                    packet.piece = Piece::Later;
                    return Ok((offset, field >> 3));
                }
                if field & MORE_FRAGMENTS != 0 {
                    packet.piece = Piece::First;
                }
            }
            HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | AUTHENTICATION => {
                let Some([next, length, _, segments_left]) = bytes.load::<4>(offset) else {
                    return Err(Reason::ShortPacket);
                };
                if packet.protocol == ROUTING && segments_left != 0 {
                    return Err(Reason::SourceRoute);
                }
                // RFC 4302, 2.2: the authentication header counts four-byte words, less two.
                let words = u32::from(length);
                offset += if packet.protocol == AUTHENTICATION {
                    (words + 2) << 2
                } else {
                    (words + 1) << 3
                };
                packet.protocol = next;
            }
            MOBILITY | HOST_IDENTITY | SHIM6 => return Err(Reason::ExtensionHeader),
            _ => return Ok((offset, 0)),
        }
        if offset > HEADER_BYTES + MAX_EXTENSION_BYTES {
            return Err(Reason::ExtensionHeader);
        }
    }
    match packet.protocol {
        FRAGMENT | HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | AUTHENTICATION | NO_NEXT_HEADER => {
            Err(Reason::ExtensionHeader)
        }
        _ => Ok((offset, 0)),
    }
}
