//! The part of a transport header that a verdict needs.

use super::{Bytes, Packet, Piece, protocol};
use crate::verdict::Reason;

/// Bytes of the shortest whole header of a protocol; 0 where no header is looked at.
const fn header_bytes(protocol: u8) -> u32 {
    match protocol {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMP | protocol::ICMPV6 => 8,
        protocol::SCTP => 12,
        _ => 0,
    }
}

/// Fills in the ports, or refuses a fragment that could change them behind the verdict's back.
///
/// `fragment_offset` is in units of eight bytes. A later fragment of TCP at eight bytes would
/// overwrite the rest of the header (RFC 1858, section 4), no matter who reassembles it.
#[inline(always)]
pub(super) fn parse(
    bytes: &impl Bytes,
    packet: &mut Packet,
    offset: u32,
    fragment_offset: u16,
) -> Result<(), Reason> {
    let needed = header_bytes(packet.protocol);
    if matches!(packet.piece, Piece::Later) {
        if u32::from(fragment_offset) << 3 < needed {
            return Err(Reason::OverlappingFragment);
        }
        return Ok(());
    }
    if needed == 0 {
        return if packet.length < offset { Err(Reason::ShortPacket) } else { Ok(()) };
    }
    if packet.length < offset + needed {
        return Err(match packet.piece {
            Piece::First => Reason::TinyFragment,
            Piece::Whole | Piece::Later => Reason::ShortPacket,
        });
    }
    let Some([a, b, c, d]) = bytes.load::<4>(offset) else { return Err(Reason::ShortPacket) };
    match packet.protocol {
        protocol::ICMP | protocol::ICMPV6 => packet.destination_port = u16::from(a),
        _ => {
            packet.source_port = u16::from_be_bytes([a, b]);
            packet.destination_port = u16::from_be_bytes([c, d]);
        }
    }
    Ok(())
}
