//! The oracle is etherparse, which shares nothing with the builder.

use etherparse::{IpSlice, Ipv6ExtensionSlice, UdpSlice, ip_number};

use super::{Packet, extension};

#[test]
fn builds_what_another_parser_reads() {
    let bytes = Packet::ipv4().to("203.0.113.7").udp(123).payload(b"hello").bytes();

    let ip = IpSlice::from_slice(&bytes).unwrap();
    let udp = UdpSlice::from_slice(ip.payload().payload).unwrap();

    assert_eq!(ip.destination_addr().to_string(), "203.0.113.7");
    assert_eq!(ip.payload_ip_number(), ip_number::UDP);
    assert_eq!((udp.destination_port(), udp.payload()), (123, b"hello".as_slice()));
    let header = ip.ipv4().unwrap().header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
}

#[test]
fn chains_extension_headers_in_the_order_of_the_sentence() {
    let bytes = Packet::ipv6()
        .to("2001:db8::7")
        .extension(extension::HOP_BY_HOP, &[1, 4, 0, 0, 0, 0])
        .extension(extension::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
        .fragment(7, 0, true)
        .tcp(443)
        .bytes();

    let ip = IpSlice::from_slice(&bytes).unwrap();
    let kinds: Vec<_> = ip
        .ipv6()
        .unwrap()
        .extensions()
        .clone()
        .into_iter()
        .map(|extension| match extension {
            Ipv6ExtensionSlice::HopByHop(_) => "hop-by-hop",
            Ipv6ExtensionSlice::DestinationOptions(_) => "destination",
            Ipv6ExtensionSlice::Fragment(_) => "fragment",
            Ipv6ExtensionSlice::Routing(_) | Ipv6ExtensionSlice::Authentication(_) => "other",
        })
        .collect();

    assert_eq!(kinds, ["hop-by-hop", "destination", "fragment"]);
    assert_eq!(ip.payload_ip_number(), ip_number::TCP);
}

#[test]
fn later_fragments_have_no_ports() {
    let first = Packet::ipv4().to("203.0.113.7").fragment(7, 0, true).udp(53).payload(&[1; 8]);
    let later = Packet::ipv4().to("203.0.113.7").fragment(7, 16, false).udp(53).payload(&[1; 8]);

    assert_eq!(first.bytes().len(), 20 + 8 + 8);
    assert_eq!(later.bytes().len(), 20 + 8);
}

#[test]
fn says_what_it_is_told_to_say() {
    let packet = Packet::ipv4().to("203.0.113.7").tcp(443);

    assert_eq!(packet.clone().header_words(4).bytes()[0], 0x44);
    assert_eq!(packet.clone().version(5).bytes()[0], 0x55);
    assert_eq!(packet.clone().total_length(9).bytes()[2..4], [0, 9]);
    assert_eq!(packet.clone().options(&[131, 3, 4]).bytes()[0], 0x46);
    assert_eq!(packet.clone().cut(12).bytes().len(), 12);
    assert_eq!(packet.frame().len(), packet.bytes().len() + 14);
}
