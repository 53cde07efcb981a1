//! Packets as senders make them, and a little beside that: sound ones of every kind, with options,
//! extension headers and in fragments.

use crate::{
    packet::{Packet, extension, protocol},
    random::Random,
};

/// The Ethernet type of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// The Ethernet type of IPv6.
pub(super) const IPV6: u16 = 0x86dd;
/// Longest packet: with an Ethernet header it is 2,048 bytes.
pub(super) const MOST_BYTES: usize = 2_034;

/// A packet and what the layer below calls it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// In host order.
    pub(super) ethertype: u16,
    /// From the network header on.
    pub(super) bytes: Vec<u8>,
}

const V4_SOURCES: [&str; 2] = ["192.0.2.2", "203.0.113.53"];
const V4_OTHERS: [&str; 9] = [
    "198.51.100.1",
    "198.51.100.66",
    "192.0.2.7",
    "192.0.2.7",
    "203.0.113.9",
    "203.0.113.53",
    "224.0.0.22",
    "255.255.255.255",
    "10.0.0.1",
];
const V6_SOURCES: [&str; 3] = ["fe80::2", "::", "::ffff:198.51.100.1"];
const V6_OTHERS: [&str; 12] = [
    "2001:db8::1",
    "2001:db8::1",
    "2001:db8::66",
    "2001:db8:7::1",
    "2001:db8:7::1",
    "2001:db8:9::1",
    "2001:db8:53::53",
    "ff02::16",
    "fe80::1",
    "::ffff:198.51.100.1",
    "::198.51.100.1",
    "::1",
];
const PORTS: [u16; 9] = [443, 443, 53, 67, 547, 5_000, 5_010, 5_011, 0];
const HOP_LIMITS: [u8; 3] = [1, 255, 255];
/// In bytes; the last one ends beyond the longest datagram.
const OFFSETS: [u16; 9] = [0, 0, 0, 8, 16, 24, 32, 1_480, 65_528];
const OPTIONS_BYTES: usize = 40;

/// A packet, to be changed or not.
pub(super) fn draft(random: &mut Random) -> Draft {
    let is_v4 = random.one_in(2);
    let packet = if is_v4 { ipv4(random) } else { ipv6(random) };
    let mut bytes = packet.bytes();
    bytes.truncate(MOST_BYTES);
    Draft { ethertype: if is_v4 { IPV4 } else { IPV6 }, bytes }
}

fn ipv4(random: &mut Random) -> Packet {
    let mut packet = Packet::ipv4().to(random.pick("198.51.100.1", &V4_OTHERS));
    if random.one_in(8) {
        packet = packet.from(random.pick("192.0.2.2", &V4_SOURCES));
    }
    if random.one_in(3) {
        packet = packet.options(&options(random));
    }
    rest(random, packet)
}

fn ipv6(random: &mut Random) -> Packet {
    let mut packet = Packet::ipv6().to(random.pick("2001:db8::1", &V6_OTHERS));
    if random.one_in(12) {
        packet = packet.from(random.pick("2001:db8:0:1::2", &V6_SOURCES));
    }
    if random.one_in(2) {
        let most = random.pick(2, &[3, 4, 8, 11]);
        for _ in 0..=random.below(most) {
            let (kind, body) = extension_header(random);
            packet = packet.extension(kind, &body);
        }
    }
    rest(random, packet)
}

/// What both families have.
fn rest(random: &mut Random, packet: Packet) -> Packet {
    let mut packet = packet.hop_limit(random.pick(64, &HOP_LIMITS));
    packet = transport(random, packet);
    if random.one_in(3) {
        let id = u32::try_from(random.below(6)).unwrap_or(0);
        packet = packet.fragment(id, random.pick(0, &OFFSETS), random.one_in(2));
    }
    let most = random.pick(16, &[0, 16, 64, 64, 64, 1_500, 2_000]);
    let count = random.below(most + 1);
    let filler = random.byte();
    packet.payload(&vec![filler; count])
}

fn transport(random: &mut Random, packet: Packet) -> Packet {
    let port = random.pick(443, &PORTS);
    match random.below(16) {
        0..5 => packet.tcp(port),
        5..9 => {
            let from = match port {
                67 => 68,
                547 => 546,
                _ => random.pick(40_000, &[53]),
            };
            packet.udp(port).from_port(from)
        }
        9..11 => packet.sctp(port),
        11..14 => packet.icmp(random.pick(8, &[0, 128, 131, 132, 133, 134, 135, 136, 137, 143])),
        14 => packet.protocol(random.pick(2, &[2, 59, 50, protocol::GRE, 51, 4, 41, 33, 136])),
        _ => packet.protocol(random.byte()),
    }
}

/// IPv4 options (RFC 791, 3.1), most of them sound.
fn options(random: &mut Random) -> Vec<u8> {
    let mut options = Vec::new();
    let count = 1 + random.below(6);
    for _ in 0..count {
        let option: &[u8] = match random.below(28) {
            0..8 => &[1],
            8 => &[0],
            // Record route, time stamp, router alert, and security of a fixed length.
            9..14 => &[7, 7, 4, 0, 0, 0, 0],
            14..18 => &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            18..22 => &[148, 4, 0, 0],
            22 => &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            // Loose and strict source route; one that is at its end.
            23 => &[131, 7, 4, 9, 9, 9, 9],
            24 => &[137, 11, 4, 9, 9, 9, 9, 8, 8, 8, 8],
            25 => &[131, 7, 8, 9, 9, 9, 9],
            // Of any kind and length.
            _ => &[random.byte(), random.byte() & 0x0f],
        };
        options.extend(option);
    }
    options.truncate(OPTIONS_BYTES);
    options
}

/// The kind of an extension header, and what follows its length.
fn extension_header(random: &mut Random) -> (u8, Vec<u8>) {
    let padding = vec![1, 4, 0, 0, 0, 0];
    match random.below(24) {
        0..7 => (extension::HOP_BY_HOP, padding),
        7..14 => (extension::DESTINATION_OPTIONS, padding),
        14..16 => {
            let kind = random.pick(extension::HOP_BY_HOP, &[extension::DESTINATION_OPTIONS]);
            // Some of them more than all extension headers may be.
            let bytes = random.pick(30, &[62, 118, 246, 254, 262, 1_200]);
            (kind, vec![0; bytes])
        }
        16..18 => (extension::ROUTING, vec![random.pick(0, &[2, 3, 4]), 0, 0, 0, 0, 0]),
        18 => (extension::ROUTING, vec![0, 1 + random.byte() / 2, 0, 0, 0, 0]),
        19..21 => (extension::AUTHENTICATION, vec![0; random.pick(10, &[6, 22, 14])]),
        21..23 => {
            let [high, low] = random.pick(0_u16, &[1, 8, 9, 24, 1_480]).to_be_bytes();
            let id = random.byte() & 3;
            (extension::FRAGMENT, vec![high, low, 0, 0, 0, id])
        }
        _ => (random.pick(extension::MOBILITY, &[139, 140, 253]), padding),
    }
}
