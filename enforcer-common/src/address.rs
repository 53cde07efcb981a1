//! The key of every address table.

/// An IPv4 or IPv6 address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Address([u8; 16]);

impl Address {
    /// Bits in front of the IPv4 address.
    pub const V4_PREFIX_BITS: u32 = 96;

    /// An IPv4 address from its four bytes in network order.
    #[inline(always)]
    pub const fn from_v4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// An IPv6 address from its bytes in network order.
    #[inline(always)]
    pub const fn from_v6(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes in network order.
    #[inline(always)]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether the key stands for an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = self.0;
        a | b | c | d | e | f | g | h | i | j == 0 && k & l == 0xff
    }

    /// An IPv6 address from four words as the kernel keeps them: each in network order.
    #[inline(always)]
    pub const fn from_words([first, second, third, fourth]: [u32; 4]) -> Self {
        let [a, b, c, d] = first.to_ne_bytes();
        let [e, f, g, h] = second.to_ne_bytes();
        let [i, j, k, l] = third.to_ne_bytes();
        let [m, n, o, p] = fourth.to_ne_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The address as four words, each in network order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ]
    }

    /// Whether a connect to it stays on this host whatever the routes say: `127.0.0.0/8`, `::1`,
    /// and the unspecified addresses, which Linux takes for loopback.
    #[inline(always)]
    pub const fn is_this_host(&self) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        if self.is_v4() {
            return m == 127 || m | n | o | p == 0;
        }
        a | b | c | d | e | f | g | h | i | j | k | l | m | n | o == 0 && p <= 1
    }

    /// The last four bytes: the address itself where [`Self::is_v4`].
    #[inline(always)]
    pub const fn v4_bytes(&self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0;
        [a, b, c, d]
    }

    /// Whether an IPv6 header must not carry it: `::ffff:0:0/96` (mapped), or `::/96` other than
    /// `::` and `::1` (IPv4-compatible, deprecated by RFC 4291, 2.5.5.1).
    #[inline(always)]
    pub const fn is_v4_in_v6(&self) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        if a | b | c | d | e | f | g | h | i | j != 0 {
            return false;
        }
        k & l == 0xff || (k | l == 0 && (m | n | o != 0 || p > 1))
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
        if address.is_v4() { Self::from(address.v4_bytes()) } else { Self::from(address.0) }
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
