//! The key of every address table.

/// An IPv4 or IPv6 address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
///
/// Kept as four words whose bytes are in network order: whole words are what the verifier and
/// the BPF instruction set handle well, and no key needs padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Address([u32; 4]);

/// The third word of an IPv4-mapped address.
const MAPPED: u32 = 0x0000_ffff_u32.to_be();

impl Address {
    /// Bits in front of the IPv4 address.
    pub const V4_PREFIX_BITS: u32 = 96;

    /// An IPv4 address from its four bytes in network order.
    #[inline(always)]
    pub const fn from_v4(bytes: [u8; 4]) -> Self {
        Self::from_v4_word(u32::from_ne_bytes(bytes))
    }

    /// An IPv4 address from a word as the kernel keeps it: its bytes in network order.
    #[inline(always)]
    pub const fn from_v4_word(word: u32) -> Self {
        Self([0, 0, MAPPED, word])
    }

    /// An IPv6 address from its bytes in network order.
    #[inline(always)]
    pub const fn from_v6(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ])
    }

    /// An address from the words where it was found: all four of an IPv6 address where `is_v6` is
    /// 1, the first alone of an IPv4 one where it is 0. Without a branch, for the kernel's verifier.
    #[inline(always)]
    pub const fn found(words: [u32; 4], is_v6: u32) -> Self {
        let [first, second, third, fourth] = words;
        let v6 = is_v6.wrapping_neg();
        Self([first & v6, second & v6, third & v6 | MAPPED & !v6, fourth & v6 | first & !v6])
    }

    /// The bytes in network order.
    #[inline(always)]
    pub const fn bytes(&self) -> [u8; 16] {
        let [first, second, third, fourth] = self.0;
        let [a, b, c, d] = first.to_ne_bytes();
        let [e, f, g, h] = second.to_ne_bytes();
        let [i, j, k, l] = third.to_ne_bytes();
        let [m, n, o, p] = fourth.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Whether the key stands for an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        let [first, second, third, _] = self.0;
        first | second | (third ^ MAPPED) == 0
    }

    /// An IPv6 address from four words as the kernel keeps them: bytes in network order.
    #[inline(always)]
    pub const fn from_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The address as four words, bytes in network order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    /// Whether a connect to it stays on this host whatever the routes say: `127.0.0.0/8`, `::1`,
    /// and the unspecified addresses, which Linux takes for loopback.
    #[inline(always)]
    pub const fn is_this_host(&self) -> bool {
        let [first, second, third, fourth] = self.0;
        let last = u32::from_be(fourth);
        if self.is_v4() {
            return last >> 24 == 127 || last == 0;
        }
        first | second | third == 0 && last <= 1
    }

    /// The last four bytes: the address itself where [`Self::is_v4`].
    #[inline(always)]
    pub const fn v4_bytes(&self) -> [u8; 4] {
        let [.., last] = self.0;
        last.to_ne_bytes()
    }

    /// The first bytes: enough to tell the scope of an IPv6 address.
    #[inline(always)]
    pub const fn scope_bytes(&self) -> [u8; 4] {
        let [first, ..] = self.0;
        first.to_ne_bytes()
    }

    /// Whether an IPv6 header must not carry it: `::ffff:0:0/96` (mapped), or `::/96` other than
    /// `::` and `::1` (IPv4-compatible, deprecated by RFC 4291, 2.5.5.1).
    #[inline(always)]
    pub const fn is_v4_in_v6(&self) -> bool {
        let [first, second, third, fourth] = self.0;
        if first | second != 0 {
            return false;
        }
        third == MAPPED || (third == 0 && u32::from_be(fourth) > 1)
    }
}

/// In the order of the bytes on the wire, on every machine.
impl Ord for Address {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(feature = "user")]
impl From<core::net::IpAddr> for Address {
    fn from(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(v4) => Self::from_v4(v4.octets()),
            core::net::IpAddr::V6(v6) => Self::from_v6(v6.octets()),
        }
    }
}

#[cfg(feature = "user")]
impl From<Address> for core::net::IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() { Self::from(address.v4_bytes()) } else { Self::from(address.bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn tells_v4_keys_from_v6_keys() {
        assert!(Address::from_v4([192, 0, 2, 1]).is_v4());
        assert!(!Address::from_v6([0x20; 16]).is_v4());
        let compatible = Address::from_v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        assert!(!compatible.is_v4());
    }

    #[test]
    fn finds_ipv4_hidden_in_ipv6_and_spares_loopback() {
        let mut loopback = [0; 16];
        loopback[15] = 1;

        assert!(Address::from_v4([192, 0, 2, 1]).is_v4_in_v6());
        assert!(Address::from_v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9]).is_v4_in_v6());
        assert!(!Address::from_v6(loopback).is_v4_in_v6());
        assert!(!Address::from_v6([0; 16]).is_v4_in_v6());
        assert!(!Address::from_v6([0x20; 16]).is_v4_in_v6());
    }
}
