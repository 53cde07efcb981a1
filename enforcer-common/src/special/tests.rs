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
        assert_eq!(super::embedded(octets, bits), Some([192, 0, 2, 33]));
    }
    assert_eq!(super::embedded([0; 16], 80), None);
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

#[test]
fn judges_the_well_known_nat64_prefix_whatever_prefixes_are_configured() {
    let other = ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 96);
    for nat64 in [&[][..], &[other][..]] {
        let check = |text: &str| classify_v6(text.parse::<Ipv6Addr>().unwrap().octets(), nat64);

        assert_eq!(check("64:ff9b::169.254.169.254"), Never, "{nat64:?}");
        assert_eq!(check("64:ff9b::10.0.0.1"), Liftable, "{nat64:?}");
        assert_eq!(check("64:ff9b::8.8.8.8"), Ordinary, "{nat64:?}");
        assert_eq!(check("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"), Ordinary, "{nat64:?}");
        assert_eq!(check("64:ff9b::1:0:0"), Ordinary, "{nat64:?}");
    }
}

/// What the tables say, asked for the slow way: every entry, the longest last.
fn naive_v4(address: u32) -> Special {
    let mut entries = V4.to_vec();
    entries.sort_by_key(|(_, bits, _)| *bits);
    entries.iter().fold(Ordinary, |found, (range, bits, special)| {
        let (first, last) = ends(u32::from_be_bytes(*range).into(), *bits, 32);
        if (first..=last).contains(&u128::from(address)) { *special } else { found }
    })
}

fn naive_v6(address: u128) -> Special {
    let mut entries = V6.to_vec();
    entries.sort_by_key(|(_, bits, _)| *bits);
    entries.iter().fold(Ordinary, |found, (range, bits, special)| {
        let (first, last) = ends(*range, *bits, 128);
        if (first..=last).contains(&address) { *special } else { found }
    })
}

/// The first and the last address of a range.
fn ends(range: u128, bits: u32, width: u32) -> (u128, u128) {
    let size = 1_u128.checked_shl(width - bits).map_or(u128::MAX, |size| size - 1);
    (range, range + size)
}

#[test]
fn agrees_with_a_plain_walk_at_every_border() {
    for (range, bits, _) in V4 {
        let (first, last) = ends(u32::from_be_bytes(*range).into(), *bits, 32);
        for address in [first.saturating_sub(1), first, last, last + 1] {
            let Ok(address) = u32::try_from(address) else { continue };
            let text = Ipv4Addr::from(address);
            assert_eq!(classify_v4(address.to_be_bytes()), naive_v4(address), "{text}");
        }
    }
    for (range, bits, _) in V6 {
        let (first, last) = ends(*range, *bits, 128);
        for address in [first.saturating_sub(1), first, last, last.saturating_add(1)] {
            let text = Ipv6Addr::from(address);
            assert_eq!(classify_v6(address.to_be_bytes(), &[]), naive_v6(address), "{text}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn agrees_with_a_plain_walk(v4: u32, v6: u128, row in 0..V6.len(), bits in 0..128_u32) {
        proptest::prop_assert_eq!(classify_v4(v4.to_be_bytes()), naive_v4(v4));
        // Evenly spread addresses hit few ranges: these lie in one, or beside it by a bit.
        let (range, length, _) = V6[row];
        let inside = range | v6.checked_shr(length).unwrap_or(0);
        for address in [v6, inside, inside ^ (1 << bits)] {
            if address >> 32 != 0x0064_ff9b << 64 {
                proptest::prop_assert_eq!(classify_v6(address.to_be_bytes(), &[]), naive_v6(address));
            }
        }
    }
}
