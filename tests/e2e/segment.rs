//! Segments of TCP and messages of ICMP that their receiver takes: with a checksum.

use std::net::{IpAddr, SocketAddr};

use enforcer_tests::packet::protocol;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;

/// A segment without data (RFC 9293, 3.1).
pub(crate) fn of(
    from: SocketAddr,
    to: SocketAddr,
    flags: u8,
    number: u32,
    answers: u32,
) -> Vec<u8> {
    const WORDS: u8 = 5 << 4;
    let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend(number.to_be_bytes());
    segment.extend(answers.to_be_bytes());
    segment.extend([WORDS, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let sum =
        checksum(&[pseudo(from.ip(), to.ip(), protocol::TCP, segment.len()), segment.clone()]);
    segment[16..18].copy_from_slice(&sum);
    segment
}

/// A request for an echo (RFC 792; RFC 4443, 4.1).
pub(crate) fn echo(from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mut message = vec![if from.is_ipv4() { 8 } else { 128 }, 0, 0, 0, 0, 1, 0, 1];
    let pseudo = match from {
        IpAddr::V4(_) => Vec::new(),
        IpAddr::V6(_) => pseudo(from, to, protocol::ICMPV6, message.len()),
    };
    let sum = checksum(&[pseudo, message.clone()]);
    message[2..4].copy_from_slice(&sum);
    message
}

/// What a checksum covers in front of the header (RFC 9293, 3.1; RFC 8200, 8.1).
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let length = u16::try_from(length).unwrap().to_be_bytes();
    [&octets(from)[..], &octets(to), &[0, protocol], &length].concat()
}

/// Of parts that have even lengths (RFC 1071).
fn checksum(parts: &[Vec<u8>]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}
