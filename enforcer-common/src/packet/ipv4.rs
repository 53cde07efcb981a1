//! The IPv4 header (RFC 791, 3.1).

use super::{Bytes, Network, Piece};
use crate::{address::Address, verdict::Reason};

const HEADER_BYTES: u32 = 20;
/// Largest header: the length field counts four-byte words in four bits.
const MAX_HEADER_BYTES: u32 = 60;
const MORE_FRAGMENTS: u32 = 0x2000;
const OFFSET_MASK: u32 = 0x1fff;

/// Option types (RFC 791, 3.1): the real destination is inside the two source routes.
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_LOOSE_SOURCE_ROUTE: u8 = 131;
const OPTION_STRICT_SOURCE_ROUTE: u8 = 137;

#[inline(always)]
pub(super) fn parse(bytes: &impl Bytes) -> Result<Network, Reason> {
    let Some([first, second, third, source, destination]) = bytes.words::<5>(0) else {
        return Err(Reason::ShortPacket);
    };
    // | version 4 | words 4 | service 8 | total length 16 |
    let first = u32::from_be(first);
    let header_bytes = (first >> 24 & 0x0f) << 2;
    if first >> 28 != 4 || header_bytes < HEADER_BYTES {
        return Err(Reason::MalformedHeader);
    }
    // 0 stands for a packet over 65,535 bytes, which the kernel cuts up later (BIG TCP, 6.3+).
    let total = first & 0xffff;
    if total != 0 && total < header_bytes {
        return Err(Reason::MalformedHeader);
    }
    if bytes.length() < header_bytes {
        return Err(Reason::ShortPacket);
    }
    if header_bytes > HEADER_BYTES {
        refuse_source_route(bytes, header_bytes)?;
    }
    // | identification 16 | flags 3 | fragment offset 13 |
    let second = u32::from_be(second);
    let offset = second & OFFSET_MASK;
    let piece = Piece::of(offset, second & MORE_FRAGMENTS != 0);
    // | time to live 8 | protocol 8 | checksum 16 |
    let third = u32::from_be(third);
    Ok(Network {
        source: Address::from_v4_word(source),
        destination: Address::from_v4_word(destination),
        id: if piece == Piece::WHOLE { 0 } else { (second >> 16).to_be() },
        payload: header_bytes,
        fragment_offset: offset,
        protocol: third >> 16 & 0xff,
        hop_limit: third >> 24,
        piece,
    })
}

/// Walks the options: every byte of them may be a no-operation, so forty rounds see the end.
#[inline(always)]
fn refuse_source_route(bytes: &impl Bytes, header_bytes: u32) -> Result<(), Reason> {
    let mut position = HEADER_BYTES;
    for _ in HEADER_BYTES..MAX_HEADER_BYTES {
        position = bytes.forget(position) & 0x1ff;
        if position >= header_bytes {
            break;
        }
        let Some(kind) = bytes.byte(position) else { return Err(Reason::ShortPacket) };
        match kind {
            OPTION_END => break,
            OPTION_NOP => position += 1,
            OPTION_LOOSE_SOURCE_ROUTE | OPTION_STRICT_SOURCE_ROUTE => {
                return Err(Reason::SourceRoute);
            }
            _ => {
                // The header is whole: where there is no byte, its last one has no length.
                let Some(length) = bytes.byte(position + 1) else {
                    return Err(Reason::MalformedHeader);
                };
                let end = position + u32::from(length);
                if length < 2 || end > header_bytes {
                    return Err(Reason::MalformedHeader);
                }
                position = end;
            }
        }
    }
    Ok(())
}
