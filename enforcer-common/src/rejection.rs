//! The packet that tells a sender that its own is not let out: a reset for TCP (RFC 9293, 3.5.2),
//! and for the rest "administratively prohibited" (RFC 1812, 5.2.7.1, code 13; RFC 4443, 3.1,
//! code 1). It comes from where the sender's packet was to go.
//!
//! A packet is words of four bytes as they lie in memory, so in network order.

/// Words of a refused packet: the network header, without options, and what an answer quotes of
/// the rest.
pub mod words {
    /// Of TCP over IPv4.
    pub const TCP_V4: usize = 10;
    /// Of TCP over IPv6.
    pub const TCP_V6: usize = 15;
    /// Of another protocol over IPv4.
    pub const OTHER_V4: usize = 7;
    /// Of another protocol over IPv6.
    pub const OTHER_V6: usize = 12;
    /// Of what says "prohibited" of it, over IPv4.
    pub const PROHIBITED_V4: usize = 14;
    /// Of what says "prohibited" of it, over IPv6.
    pub const PROHIBITED_V6: usize = 24;
}

const TCP: u8 = crate::packet::protocol::TCP;
const ICMP: u8 = crate::packet::protocol::ICMP;
const ICMPV6: u8 = crate::packet::protocol::ICMPV6;
/// Flags of TCP (RFC 9293, 3.1).
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
/// As other packets of this kernel's own (RFC 1700).
const HOPS: u8 = 64;
const DONT_FRAGMENT: u8 = 0x40;

/// Who has to compute the checksum of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It is to be whole.
    Whole,
    /// The device that sends the packet: in its place is the sum of the pseudo-header
    /// (`CHECKSUM_PARTIAL`, include/linux/skbuff.h).
    Partial,
}

/// The reset of a segment over IPv4; `length`: bytes of its packet.
#[inline(always)]
pub fn reset_v4(
    refused: &[u32; words::TCP_V4],
    length: u32,
    checksum: Checksum,
) -> [u32; words::TCP_V4] {
    let [_, _, _, source, destination, segment @ ..] = *refused;
    let mut answer = [0; words::TCP_V4];
    let bytes = (words::TCP_V4 * 4) as u16;
    answer[..5].copy_from_slice(&header_v4(TCP, bytes, [destination, source]));
    let pseudo = sum(&[source, destination, pseudo_header(TCP, bytes - 20)]);
    answer[5..].copy_from_slice(&reset(&segment, length.wrapping_sub(20), pseudo, checksum));
    answer
}

/// The reset of a segment over IPv6; `length`: bytes of its packet.
#[inline(always)]
pub fn reset_v6(
    refused: &[u32; words::TCP_V6],
    length: u32,
    checksum: Checksum,
) -> [u32; words::TCP_V6] {
    let [_, _, addresses @ .., s0, s1, s2, s3, s4] = *refused;
    let mut answer = [0; words::TCP_V6];
    let bytes = (words::TCP_V6 * 4 - 40) as u16;
    answer[..10].copy_from_slice(&header_v6(TCP, bytes, &addresses));
    let pseudo = u32::from(sum(&addresses)) + u32::from(sum(&[pseudo_header(TCP, bytes)]));
    let segment = [s0, s1, s2, s3, s4];
    let length = length.wrapping_sub(40);
    answer[10..].copy_from_slice(&reset(&segment, length, sum(&[pseudo]), checksum));
    answer
}

/// What says "prohibited" of a packet over IPv4.
#[inline(always)]
pub fn prohibited_v4(refused: &[u32; words::OTHER_V4]) -> [u32; words::PROHIBITED_V4] {
    let mut answer = [0; words::PROHIBITED_V4];
    let bytes = (words::PROHIBITED_V4 * 4) as u16;
    answer[..5].copy_from_slice(&header_v4(ICMP, bytes, [refused[4], refused[3]]));
    answer[7..].copy_from_slice(refused);
    answer[5] = error(3, 13, sum(refused));
    answer
}

/// What says "prohibited" of a packet over IPv6.
#[inline(always)]
pub fn prohibited_v6(refused: &[u32; words::OTHER_V6]) -> [u32; words::PROHIBITED_V6] {
    let [_, _, addresses @ .., _, _] = *refused;
    let mut answer = [0; words::PROHIBITED_V6];
    let bytes = (words::PROHIBITED_V6 * 4 - 40) as u16;
    answer[..10].copy_from_slice(&header_v6(ICMPV6, bytes, &addresses));
    answer[12..].copy_from_slice(refused);
    let rest = u32::from(sum(refused))
        + u32::from(sum(&addresses))
        + u32::from(sum(&[pseudo_header(ICMPV6, bytes)]));
    answer[10] = error(1, 1, sum(&[rest]));
    answer
}

/// The header of IPv4 from `[source, destination]`.
#[inline(always)]
fn header_v4(protocol: u8, bytes: u16, [source, destination]: [u32; 2]) -> [u32; 5] {
    let [high, low] = bytes.to_be_bytes();
    let first = word([0x45, 0, high, low]);
    let second = word([0, 0, DONT_FRAGMENT, 0]);
    let third = word([HOPS, protocol, 0, 0]);
    let [one, two] = (!sum(&[first, second, third, source, destination])).to_ne_bytes();
    [first, second, word([HOPS, protocol, one, two]), source, destination]
}

/// The header of IPv6 back to the first of two addresses.
#[inline(always)]
fn header_v6(protocol: u8, bytes: u16, addresses: &[u32; 8]) -> [u32; 10] {
    let [high, low] = bytes.to_be_bytes();
    let [s0, s1, s2, s3, d0, d1, d2, d3] = *addresses;
    let second = word([high, low, protocol, HOPS]);
    [word([0x60, 0, 0, 0]), second, d0, d1, d2, d3, s0, s1, s2, s3]
}

/// The header of a reset, which answers a segment of `length` bytes, its header included.
#[inline(always)]
fn reset(segment: &[u32; 5], length: u32, pseudo: u16, checksum: Checksum) -> [u32; 5] {
    let [ports, number, acknowledged, fourth, _] = *segment;
    let [offset, flags, ..] = fourth.to_ne_bytes();
    // The halves change places.
    let ports = ports.rotate_left(16);
    let (number, acknowledged, flags) = if flags & ACK != 0 {
        (acknowledged, 0, RST)
    } else {
        let data = length.wrapping_sub(u32::from(offset >> 4) * 4);
        let data = data.wrapping_add(u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0));
        (0, u32::from_be(number).wrapping_add(data).to_be(), RST | ACK)
    };
    let fourth = word([0x50, flags, 0, 0]);
    let sum = match checksum {
        Checksum::Whole => !sum(&[u32::from(pseudo), ports, number, acknowledged, fourth]),
        Checksum::Partial => pseudo,
    };
    let [one, two] = sum.to_ne_bytes();
    [ports, number, acknowledged, fourth, word([one, two, 0, 0])]
}

/// The first word of an error of ICMP whose other words have the sum `rest`.
#[inline(always)]
fn error(kind: u8, code: u8, rest: u16) -> u32 {
    let [one, two] = (!sum(&[word([kind, code, 0, 0]), u32::from(rest)])).to_ne_bytes();
    word([kind, code, one, two])
}

/// What a pseudo-header has besides addresses, in one word: its sum is that of either family.
#[inline(always)]
const fn pseudo_header(protocol: u8, bytes: u16) -> u32 {
    let [high, low] = bytes.to_be_bytes();
    word([0, protocol, high, low])
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

/// The one's complement sum of words (RFC 1071), whose order of bytes is theirs.
#[inline(always)]
fn sum(words: &[u32]) -> u16 {
    let mut sum = 0_u64;
    for word in words {
        sum += u64::from(*word);
    }
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests;
