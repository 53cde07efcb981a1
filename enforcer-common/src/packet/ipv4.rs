//! The IPv4 header (RFC 791, 3.1).

use super::{Bytes, Packet, Piece, transport};
use crate::{address::Address, verdict::Reason};

const HEADER_BYTES: u32 = 20;
/// Largest header: the length field counts four-byte words in four bits.
const MAX_HEADER_BYTES: u32 = 60;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Option types (RFC 791, 3.1): the real destination is inside the two source routes.
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_LOOSE_SOURCE_ROUTE: u8 = 131;
const OPTION_STRICT_SOURCE_ROUTE: u8 = 137;

#[inline(always)]
pub(super) fn parse(bytes: &impl Bytes) -> Result<Packet, Reason> {
    let Some(header) = bytes.load::<20>(0) else { return Err(Reason::ShortPacket) };
    let [
        version_and_words,
        _,
        length_high,
        length_low,
        id_high,
        id_low,
        fragment_high,
        fragment_low,
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
    ] = header;
    let header_bytes = u32::from(version_and_words & 0x0f) << 2;
    if version_and_words >> 4 != 4 || header_bytes < HEADER_BYTES {
        return Err(Reason::MalformedHeader);
    }
    // 0 stands for a packet over 65,535 bytes, which the kernel cuts up later (BIG TCP, 6.3+).
    let total = u32::from(u16::from_be_bytes([length_high, length_low]));
    if total != 0 && total < header_bytes {
        return Err(Reason::MalformedHeader);
    }
    if header_bytes > HEADER_BYTES {
        refuse_source_route(bytes, header_bytes)?;
    }

    let fragment = u16::from_be_bytes([fragment_high, fragment_low]);
    let offset = fragment & OFFSET_MASK;
    let piece = if offset != 0 {
        Piece::Later
    } else if fragment & MORE_FRAGMENTS != 0 {
        Piece::First
    } else {
        Piece::Whole
    };
    let mut packet = Packet {
        source: Address::from_v4([s0, s1, s2, s3]),
        destination: Address::from_v4([d0, d1, d2, d3]),
        id: [0, 0, id_high, id_low],
        length: bytes.length(),
        source_port: 0,
        destination_port: 0,
        protocol,
        hop_limit,
        is_v6: false,
        piece,
    };
    transport::parse(bytes, &mut packet, header_bytes, offset)?;
    Ok(packet)
}

/// Walks the options: every byte of them may be a no-operation, so forty rounds see the end.
#[inline(always)]
fn refuse_source_route(bytes: &impl Bytes, header_bytes: u32) -> Result<(), Reason> {
    let mut position = HEADER_BYTES;
    for _ in HEADER_BYTES..MAX_HEADER_BYTES {
        if position >= header_bytes {
            break;
        }
        let Some([kind]) = bytes.load::<1>(position) else { return Err(Reason::ShortPacket) };
        match kind {
            OPTION_END => break,
            OPTION_NOP => position += 1,
            OPTION_LOOSE_SOURCE_ROUTE | OPTION_STRICT_SOURCE_ROUTE => {
                return Err(Reason::SourceRoute);
            }
            _ => {
                let Some([length]) = bytes.load::<1>(position + 1) else {
                    return Err(Reason::ShortPacket);
                };
                if length < 2 {
                    return Err(Reason::MalformedHeader);
                }
                position += u32::from(length);
            }
        }
    }
    Ok(())
}
