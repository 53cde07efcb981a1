use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Special, Special::*, V4, V6, classify_v4, classify_v6};

const NAT64: &[([u8; 16], u8)] = &[([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 96)];

#[test]
fn tells_apart_what_lies_on_both_sides_of_each_border() {
    const CASES: &[(&str, Special)] = &[
        ("0.255.255.255", Never),
        ("1.0.0.0", Ordinary),
        ("9.255.255.255", Ordinary),
        ("10.0.0.0", Liftable),
        ("10.255.255.255", Liftable),
        ("11.0.0.0", Ordinary),
        ("100.63.255.255", Ordinary),
        ("100.64.0.0", Liftable),
        ("100.100.100.199", Liftable),
        ("100.100.100.200", Never),
        ("100.127.255.255", Liftable),
        ("100.128.0.0", Ordinary),
        ("127.0.0.53", Never),
        ("128.0.0.0", Ordinary),
        ("168.63.129.16", Never),
        ("168.63.129.17", Ordinary),
        ("169.253.255.255", Ordinary),
        ("169.254.169.254", Never),
        ("172.15.255.255", Ordinary),
        ("172.16.0.0", Liftable),
        ("172.31.255.255", Liftable),
        ("172.32.0.0", Ordinary),
        ("192.0.0.192", Never),
        ("192.0.0.193", Liftable),
        ("192.0.1.0", Ordinary),
        ("192.31.196.1", Ordinary),
        ("198.17.255.255", Ordinary),
        ("198.19.255.255", Liftable),
        ("203.0.113.7", Liftable),
        ("223.255.255.255", Ordinary),
        ("224.0.0.1", Never),
        ("255.255.255.255", Never),
    ];

    for (text, expected) in CASES {
        let address: Ipv4Addr = text.parse().unwrap();
        assert_eq!(classify_v4(address.octets()), *expected, "{text}");
    }
}

#[test]
fn tells_apart_ipv6_ranges() {
    const CASES: &[(&str, Special)] = &[
        ("::", Never),
        ("::1", Never),
        ("::192.0.2.1", Never),
        ("::ffff:8.8.8.8", Never),
        ("64:ff9b:1::1", Liftable),
        ("100::1", Never),
        ("100:0:0:1::1", Liftable),
        ("2001::1", Never),
        ("2001:1::1", Liftable),
        ("2001:200::1", Ordinary),
        ("2001:db8::1", Liftable),
        ("2002:c000:201::1", Never),
        ("2606:4700::1111", Ordinary),
        ("2620:4f:8000::1", Ordinary),
        ("3fff:fff::1", Liftable),
        ("3fff:1000::1", Ordinary),
        ("5f00::1", Liftable),
        ("fc00::1", Liftable),
        ("fd00:ec2::253", Liftable),
        ("fd00:ec2::254", Never),
        ("fd20:ce::254", Never),
        ("fe80::1", Never),
        ("fec0::1", Liftable),
        ("ff02::1", Never),
    ];

    for (text, expected) in CASES {
        let address: Ipv6Addr = text.parse().unwrap();
        assert_eq!(classify_v6(address.octets(), NAT64), *expected, "{text}");
    }
}

#[test]
fn judges_a_nat64_address_by_what_it_embeds() {
    let check = |text: &str, nat64: &[([u8; 16], u8)]| {
        classify_v6(text.parse::<Ipv6Addr>().unwrap().octets(), nat64)
    };

    assert_eq!(check("64:ff9b::8.8.8.8", NAT64), Ordinary);
    assert_eq!(check("64:ff9b::10.0.0.1", NAT64), Liftable);
    assert_eq!(check("64:ff9b::169.254.169.254", NAT64), Never);

    // RFC 6052, 2.4: 192.0.2.33 behind prefixes of each length.
    for (bits, text) in [
        (32, "2001:db8:c000:221::"),
        (40, "2001:db8:1c0:2:21::"),
        (48, "2001:db8:122:c000:2:2100::"),
        (56, "2001:db8:122:3c0:0:221::"),
        (64, "2001:db8:122:344:c0:2:2100::"),
        (96, "2001:db8:122:344::192.0.2.33"),
    ] {
        let octets = text.parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(super::embedded(u128::from_be_bytes(octets), bits), Some([192, 0, 2, 33]));
    }
    assert_eq!(super::embedded(0, 80), None);
}

#[test]
fn has_no_bits_behind_a_prefix() {
    for (range, bits, _) in V4 {
        let rest = u32::from_be_bytes(*range).checked_shl(*bits).unwrap_or(0);
        assert_eq!(rest, 0, "{range:?}/{bits}");
    }
    for (range, bits, _) in V6 {
        assert_eq!(range.checked_shl(*bits).unwrap_or(0), 0, "{range:x}/{bits}");
    }
}
