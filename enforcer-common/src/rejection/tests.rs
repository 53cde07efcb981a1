//! What is answered, as a library reads it.

use std::vec::Vec;

use etherparse::{
    Icmpv4Type, Icmpv6Type, NetSlice, PacketBuilder, SlicedPacket, TransportSlice, icmpv4, icmpv6,
};
use proptest::prelude::*;

use super::{Checksum, prohibited_v4, prohibited_v6, reset_v4, reset_v6, sum};

const V4: ([u8; 4], [u8; 4]) = ([10, 244, 0, 2], [203, 0, 113, 66]);
const V6: ([u8; 16], [u8; 16]) = ([0xfd; 16], [0x20; 16]);

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    core::array::from_fn(|at| u32::from_ne_bytes(bytes[4 * at..4 * at + 4].try_into().unwrap()))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// What a sender said of a segment.
#[derive(Debug, Clone, Copy)]
struct Segment {
    ports: (u16, u16),
    number: u32,
    acknowledged: Option<u32>,
    is_syn: bool,
    is_fin: bool,
    data: usize,
}

fn segments() -> impl Strategy<Value = Segment> {
    (any::<(u16, u16)>(), any::<u32>(), any::<Option<u32>>(), any::<(bool, bool)>(), 0..1_400_usize)
        .prop_map(|(ports, number, acknowledged, (is_syn, is_fin), data)| Segment {
            ports,
            number,
            acknowledged,
            is_syn,
            is_fin,
            data,
        })
}

/// The segment on the wire.
fn sent(segment: &Segment, is_v6: bool) -> Vec<u8> {
    let builder = if is_v6 {
        PacketBuilder::ipv6(V6.0, V6.1, 63)
    } else {
        PacketBuilder::ipv4(V4.0, V4.1, 63)
    };
    let (source, destination) = segment.ports;
    let mut builder = builder.tcp(source, destination, segment.number, 1_000);
    if let Some(number) = segment.acknowledged {
        builder = builder.ack(number);
    }
    if segment.is_syn {
        builder = builder.syn();
    }
    if segment.is_fin {
        builder = builder.fin();
    }
    let mut packet = Vec::new();
    let data = std::vec![7; segment.data];
    builder.write(&mut packet, &data).unwrap();
    packet
}

fn answer_to(segment: &Segment, is_v6: bool, checksum: Checksum) -> Vec<u8> {
    let sent = sent(segment, is_v6);
    let length = u32::try_from(sent.len()).unwrap();
    if is_v6 {
        bytes(&reset_v6(&words(&sent), length, checksum))
    } else {
        bytes(&reset_v4(&words(&sent), length, checksum))
    }
}

/// Addresses and hop limit are checked, and the checksum of IPv4.
fn check_network(packet: &SlicedPacket<'_>) {
    match packet.net.as_ref().unwrap() {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            assert_eq!((header.destination(), header.source()), V4);
            assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            assert_eq!((header.ttl(), header.dont_fragment()), (64, true));
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            assert_eq!((header.destination(), header.source()), V6);
            assert_eq!(header.hop_limit(), 64);
        }
        NetSlice::Arp(_) => unreachable!("not made here"),
    }
}

proptest! {
    #[test]
    fn a_reset_is_one_that_the_sender_believes(segment in segments(), is_v6: bool) {
        let answer = answer_to(&segment, is_v6, Checksum::Whole);
        let packet = SlicedPacket::from_ip(&answer).unwrap();
        check_network(&packet);
        let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("{packet:?}") };
        prop_assert_eq!((tcp.destination_port(), tcp.source_port()), segment.ports);
        prop_assert!(tcp.rst() && !tcp.syn() && !tcp.fin() && tcp.payload().is_empty());
        let header = tcp.to_header();
        let right = if is_v6 {
            header.calc_checksum_ipv6_raw(V6.1, V6.0, &[])
        } else {
            header.calc_checksum_ipv4_raw(V4.1, V4.0, &[])
        };
        prop_assert_eq!(tcp.checksum(), right.unwrap());
        // RFC 9293, 3.5.2.
        if let Some(number) = segment.acknowledged {
            prop_assert_eq!((tcp.sequence_number(), tcp.ack()), (number, false));
        } else {
            let flags = u32::from(segment.is_syn) + u32::from(segment.is_fin);
            let length = u32::try_from(segment.data).unwrap() + flags;
            prop_assert_eq!((tcp.sequence_number(), tcp.ack()), (0, true));
            prop_assert_eq!(tcp.acknowledgment_number(), segment.number.wrapping_add(length));
        }
    }

    /// What a device does with such a packet (`skb_checksum_help`, net/core/dev.c).
    #[test]
    fn a_partial_checksum_becomes_whole(segment in segments(), is_v6: bool) {
        let mut partial = answer_to(&segment, is_v6, Checksum::Partial);
        let whole = answer_to(&segment, is_v6, Checksum::Whole);
        let tcp = if is_v6 { 40 } else { 20 };
        let checksum = !sum(&words::<5>(&partial[tcp..]));
        partial[tcp + 16..tcp + 18].copy_from_slice(&checksum.to_ne_bytes());
        prop_assert_eq!(partial, whole);
    }

    #[test]
    fn what_is_prohibited_is_quoted(ports: (u16, u16), data in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut sent = Vec::new();
        PacketBuilder::ipv4(V4.0, V4.1, 63).udp(ports.0, ports.1).write(&mut sent, &data).unwrap();
        let answer = bytes(&prohibited_v4(&words(&sent)));
        let packet = SlicedPacket::from_ip(&answer).unwrap();
        check_network(&packet);
        let Some(TransportSlice::Icmpv4(error)) = &packet.transport else { panic!("{packet:?}") };
        let prohibited = icmpv4::DestUnreachableHeader::FilterProhibited;
        prop_assert_eq!(error.icmp_type(), Icmpv4Type::DestinationUnreachable(prohibited));
        prop_assert_eq!(error.payload(), &sent[..28]);
        prop_assert_eq!(error.checksum(), error.icmp_type().calc_checksum(error.payload()));
    }

    #[test]
    fn what_is_prohibited_is_quoted_v6(ports: (u16, u16), data in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut sent = Vec::new();
        PacketBuilder::ipv6(V6.0, V6.1, 63).udp(ports.0, ports.1).write(&mut sent, &data).unwrap();
        let answer = bytes(&prohibited_v6(&words(&sent)));
        let packet = SlicedPacket::from_ip(&answer).unwrap();
        check_network(&packet);
        let Some(TransportSlice::Icmpv6(error)) = &packet.transport else { panic!("{packet:?}") };
        let prohibited = icmpv6::DestUnreachableCode::Prohibited;
        prop_assert_eq!(error.icmp_type(), Icmpv6Type::DestinationUnreachable(prohibited));
        prop_assert_eq!(error.payload(), &sent[..48]);
        prop_assert!(error.is_checksum_valid(V6.1, V6.0));
    }
}
