//! The part of a transport header that a verdict needs.

use super::{Bytes, Network, Piece, protocol};
use crate::verdict::Reason;

/// Bytes of the shortest whole header of a protocol; 0 where no header is looked at.
#[inline(always)]
const fn header_bytes(protocol: u8) -> u32 {
    match protocol {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMP | protocol::ICMPV6 => 8,
        protocol::SCTP => 12,
        _ => 0,
    }
}

/// Reads the source and the destination port, or refuses a fragment that could change them behind
/// the verdict's back. Of ICMP the type stands for the destination port.
///
/// A later fragment of TCP at eight bytes would overwrite the rest of the header (RFC 1858,
/// section 4), no matter who reassembles it.
#[inline(always)]
pub(super) fn ports(bytes: &impl Bytes, network: &Network) -> Result<(u16, u16), Reason> {
    let protocol = network.protocol as u8;
    let needed = header_bytes(protocol);
    if network.piece == Piece::LATER {
        if network.fragment_offset << 3 < needed {
            return Err(Reason::OverlappingFragment);
        }
        return Ok((0, 0));
    }
    if bytes.length() < network.payload + needed {
        let is_cut = network.piece == Piece::FIRST && needed != 0;
        return Err(if is_cut { Reason::TinyFragment } else { Reason::ShortPacket });
    }
    if needed == 0 {
        return Ok((0, 0));
    }
    let Some([word]) = bytes.words::<1>(network.payload) else { return Err(Reason::ShortPacket) };
    let word = u32::from_be(word);
    Ok(match protocol {
        protocol::ICMP | protocol::ICMPV6 => (0, (word >> 24) as u16),
        _ => ((word >> 16) as u16, word as u16),
    })
}
