//! Addresses that an answer for a public name must not open: where strangers write into an
//! allowlist, what they write is looked at.
//!
//! The tables are the IANA special-purpose registries (RFC 6890 and its updates), and the
//! metadata services of clouds. The most specific entry around an address decides.

use crate::address::Address;

/// What an address in an answer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Special {
    /// It is learned.
    Ordinary,
    /// It is learned for rules with `allowPrivateAnswers` only.
    Liftable,
    /// It is never learned; an explicit CIDR rule may open it.
    Never,
}

use Special::{Liftable, Never, Ordinary};

/// First four bytes of the range, leading bits, what it may do.
const V4: &[([u8; 4], u32, Special)] = &[
    ([0, 0, 0, 0], 8, Never),          // this network, RFC 791
    ([10, 0, 0, 0], 8, Liftable),      // private, RFC 1918
    ([100, 64, 0, 0], 10, Liftable),   // shared, RFC 6598
    ([100, 100, 100, 200], 32, Never), // metadata of Alibaba Cloud
    ([127, 0, 0, 0], 8, Never),        // loopback, RFC 1122
    ([168, 63, 129, 16], 32, Never),   // wire server of Azure
    ([169, 254, 0, 0], 16, Never),     // link-local, RFC 3927; metadata of most clouds
    ([172, 16, 0, 0], 12, Liftable),   // private, RFC 1918
    ([192, 0, 0, 0], 24, Liftable),    // protocol assignments, RFC 6890
    ([192, 0, 0, 192], 32, Never),     // metadata of Oracle Cloud
    ([192, 0, 2, 0], 24, Liftable),    // documentation, RFC 5737
    ([192, 88, 99, 0], 24, Liftable),  // 6to4 relay, deprecated by RFC 7526
    ([192, 168, 0, 0], 16, Liftable),  // private, RFC 1918
    ([198, 18, 0, 0], 15, Liftable),   // benchmarking, RFC 2544
    ([198, 51, 100, 0], 24, Liftable), // documentation, RFC 5737
    ([203, 0, 113, 0], 24, Liftable),  // documentation, RFC 5737
    ([224, 0, 0, 0], 4, Never),        // multicast, RFC 5771
    ([240, 0, 0, 0], 4, Never),        // reserved, RFC 1112; broadcast, RFC 919
];

/// The range, leading bits, what it may do.
const V6: &[(u128, u32, Special)] = &[
    (0, 96, Never),                         // unspecified, loopback, compatible, RFC 4291
    (0xffff << 32, 96, Never),              // IPv4-mapped, RFC 4291
    (0x0064_ff9b_0001 << 80, 48, Liftable), // local NAT64, RFC 8215
    (0x0100 << 112, 64, Never),             // discard, RFC 6666
    (0x0100_0000_0000_0001 << 64, 64, Liftable), // dummy, RFC 9780
    (0x2001 << 112, 23, Liftable),          // protocol assignments, RFC 2928
    (0x2001 << 112, 32, Never),             // Teredo, RFC 4380: hides an IPv4 address
    (0x2001_0db8 << 96, 32, Liftable),      // documentation, RFC 3849
    (0x2002 << 112, 16, Never),             // 6to4, RFC 3056: hides an IPv4 address
    (0x3fff << 112, 20, Liftable),          // documentation, RFC 9637
    (0x5f00 << 112, 16, Liftable),          // SRv6 identifiers, RFC 9602
    (0xfc00 << 112, 7, Liftable),           // unique local, RFC 4193
    ((0xfd00_0ec2 << 96) | 0x0254, 128, Never), // metadata of AWS
    ((0xfd20_00ce << 96) | 0x0254, 128, Never), // metadata of Google Cloud
    (0xfec0 << 112, 10, Liftable),          // site-local, deprecated by RFC 3879
    (0xfe80 << 112, 10, Never),             // link-local, RFC 4291
    (0xff00 << 112, 8, Never),              // multicast, RFC 4291
];

/// The prefix that every translator may use (RFC 6052, 2.1): it is judged by what it embeds, also
/// where a policy configures other prefixes.
const WELL_KNOWN_NAT64: ([u8; 16], u8) = ((0x0064_ff9b_u128 << 96).to_be_bytes(), 96);

/// Values of the map `SPECIAL`; an address that is in none of its ranges is learned.
pub mod kind {
    /// Learned for rules with `allowPrivateAnswers` only.
    pub const LIFTABLE: u32 = 1;
    /// Never learned.
    pub const NEVER: u32 = 2;
    /// May do what the IPv4 address embedded behind so many bits may: 64 and the bits.
    pub const EMBEDS: u32 = 64;
}

/// The ranges as the kernel looks them up, the longest around an address decides: prefix, its bits
/// in an [`Address`], and a [`kind`]. `nat64` are prefixes of translators.
#[cfg(feature = "user")]
pub fn ranges(nat64: &[([u8; 16], u8)]) -> impl Iterator<Item = (Address, u8, u32)> {
    let number = |special| match special {
        Ordinary => 0,
        Liftable => kind::LIFTABLE,
        Never => kind::NEVER,
    };
    let v4 = V4.iter().map(move |(range, bits, special)| {
        (Address::from_v4(*range), (*bits + Address::V4_PREFIX_BITS) as u8, number(*special))
    });
    let v6 = V6.iter().map(move |(range, bits, special)| {
        (Address::from_v6(range.to_be_bytes()), *bits as u8, number(*special))
    });
    // As a range of keys the mapped addresses would be around every IPv4 address.
    let v6 = v6
        .filter(|(range, bits, _)| !(range.is_v4() && u32::from(*bits) <= Address::V4_PREFIX_BITS));
    let translators = nat64.iter().chain([&WELL_KNOWN_NAT64]);
    let translators = translators
        .map(|(prefix, bits)| (Address::from_v6(*prefix), *bits, kind::EMBEDS + u32::from(*bits)));
    v4.chain(v6).chain(translators)
}

/// What an IPv4 address in an answer may do.
pub fn classify_v4(bytes: [u8; 4]) -> Special {
    let address = u32::from_be_bytes(bytes);
    let mut found = (0, Ordinary);
    for (range, bits, special) in V4 {
        let differing = (address ^ u32::from_be_bytes(*range)).checked_shr(32 - bits);
        if *bits >= found.0 && differing.unwrap_or(0) == 0 {
            found = (*bits, *special);
        }
    }
    found.1
}

/// What an IPv6 address in an answer may do. `nat64` are the prefixes, with their lengths in
/// bits, behind which an IPv4 address is embedded (RFC 6052, 2.2): such an address may do what
/// the embedded one may.
pub fn classify_v6(bytes: [u8; 16], nat64: &[([u8; 16], u8)]) -> Special {
    let address = u128::from_be_bytes(bytes);
    for (prefix, bits) in nat64.iter().chain([&WELL_KNOWN_NAT64]) {
        let differing = address ^ u128::from_be_bytes(*prefix);
        if differing.checked_shr(128_u32.saturating_sub(u32::from(*bits))).unwrap_or(0) == 0 {
            return embedded(bytes, u32::from(*bits)).map_or(Never, classify_v4);
        }
    }
    let mut found = (0, Ordinary);
    for (range, bits, special) in V6 {
        if *bits >= found.0 && (address ^ range).checked_shr(128 - bits).unwrap_or(0) == 0 {
            found = (*bits, *special);
        }
    }
    found.1
}

/// What an address in an answer may do.
pub fn classify(address: &Address, nat64: &[([u8; 16], u8)]) -> Special {
    if address.is_v4() {
        classify_v4(address.v4_bytes())
    } else {
        classify_v6(address.bytes(), nat64)
    }
}

/// The IPv4 address behind a NAT64 prefix: its bytes follow the prefix and jump over bits 64 to
/// 71, which are zero (RFC 6052, 2.2); `None` for a length that the RFC does not have.
#[inline(always)]
pub const fn embedded(bytes: [u8; 16], bits: u32) -> Option<[u8; 4]> {
    let [_, _, _, _, b4, b5, b6, b7, _, b9, b10, b11, b12, b13, b14, b15] = bytes;
    if bits == 96 {
        return Some([b12, b13, b14, b15]);
    }
    if bits & 7 != 0 || bits < 32 || bits > 64 {
        return None;
    }
    let behind = u64::from_be_bytes([b4, b5, b6, b7, b9, b10, b11, b12]);
    let [b0, b1, b2, b3, ..] = (behind << (bits - 32)).to_be_bytes();
    Some([b0, b1, b2, b3])
}

#[cfg(test)]
mod tests;
