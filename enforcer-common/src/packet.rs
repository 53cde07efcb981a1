//! From the bytes of a packet to what a verdict needs; anything odd has its own reason.
//!
//! One parser for the kernel, where bytes come from `bpf_skb_load_bytes`, and for tests, where
//! they come from a slice. It reads each header once and trusts no length. What it does not
//! understand it refuses: the sender's own kernel is not the attacker here, raw sockets are.

mod ipv4;
mod ipv6;
mod transport;

use crate::{address::Address, fragment::FragmentKey, verdict::Reason};

/// Ethernet types (IEEE 802 numbers, IANA registry).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// Address resolution of IPv4.
    pub const ARP: u16 = 0x0806;
}

/// Protocol numbers (IANA registry).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// Group membership for IPv4.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// Bytes of a header of UDP (RFC 768).
pub const UDP_HEADER_BYTES: u32 = 8;

/// The bytes of a packet from its network header on.
pub trait Bytes {
    /// How many there are.
    fn length(&self) -> u32;

    /// What the layer below says they are, in host order (0x0800, 0x86dd).
    fn ethertype(&self) -> u16;

    /// One byte; `None` where the packet ends before.
    fn byte(&self, offset: u32) -> Option<u8>;

    /// `N` words of four bytes from `offset` on, each with its bytes in network order; `None`
    /// where the packet ends before.
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]>;

    /// Returns `value`. The kernel's verifier follows every path with all it knows of each value,
    /// and paths multiply; where they meet, this takes the knowledge away and they are one.
    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        value
    }
}

/// Whether a packet is a piece of a datagram, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Piece(u32);

impl Piece {
    /// A whole datagram.
    pub const WHOLE: Self = Self(0);
    /// The first fragment: it has the ports.
    pub const FIRST: Self = Self(1);
    /// Any other fragment: it has none.
    pub const LATER: Self = Self(2);

    /// [`Self::WHOLE`], of which the verifier does not know that: `nothing` is zero.
    #[inline(always)]
    pub(crate) const fn whole(nothing: u32) -> Self {
        Self(nothing)
    }

    #[inline(always)]
    const fn of(offset: u32, has_more: bool) -> Self {
        if offset != 0 {
            Self::LATER
        } else if has_more {
            Self::FIRST
        } else {
            Self::WHOLE
        }
    }
}

/// What a verdict needs to know of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification of a fragment, bytes in network order; zero for a whole datagram.
    pub id: u32,
    /// Bytes from the network header on.
    pub length: u32,
    /// Offset of the transport header.
    pub transport: u32,
    /// Source port; 0 where the protocol has none.
    pub source_port: u16,
    /// Destination port; for ICMP the type; 0 where the protocol has none.
    pub destination_port: u16,
    /// Protocol after all extension headers.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub hop_limit: u8,
    /// Whether the header is IPv6.
    pub is_v6: bool,
    /// Which piece of a datagram.
    pub piece: Piece,
}

/// The network header, read; what follows it begins at `payload`.
struct Network {
    source: Address,
    destination: Address,
    id: u32,
    /// Offset of the transport header.
    payload: u32,
    /// Where the fragment begins in its datagram, in units of eight bytes.
    fragment_offset: u32,
    protocol: u32,
    hop_limit: u32,
    piece: Piece,
}

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// The reason for which a packet of this form is dropped.
    #[inline(always)]
    pub fn parse(bytes: &impl Bytes) -> Result<Self, Reason> {
        let is_v6 = bytes.ethertype() == ethertype::IPV6;
        let network = if is_v6 {
            ipv6::parse(bytes)?
        } else if bytes.ethertype() == ethertype::IPV4 {
            ipv4::parse(bytes)?
        } else {
            return Err(Reason::NotIp);
        };
        let network = network.forgotten(bytes);
        let (source_port, destination_port) = transport::ports(bytes, &network)?;
        Ok(Self {
            source: network.source,
            destination: network.destination,
            id: network.id,
            length: bytes.length(),
            transport: network.payload,
            source_port: bytes.forget(u32::from(source_port)) as u16,
            destination_port: bytes.forget(u32::from(destination_port)) as u16,
            protocol: network.protocol as u8,
            hop_limit: network.hop_limit as u8,
            is_v6: bytes.forget(u32::from(is_v6)) & 1 != 0,
            piece: network.piece,
        })
    }

    /// Takes what makes a packet pass for the kernel's own to a neighbour away, where it is to an
    /// address that may be anywhere: a process has no business with neighbours' own addresses
    /// (RFC 4861, 7.1: their hop limit is 255). What it sends there is judged by the policy.
    #[inline(always)]
    pub fn distrust_discovery(&mut self) {
        let [first, second, ..] = self.destination.scope_bytes();
        let is_of_link = first == 0xff || first == 0xfe && second & 0xc0 == 0x80;
        if self.protocol == protocol::ICMPV6 && !is_of_link {
            self.hop_limit = 0;
        }
    }

    /// The key that all fragments of the datagram share.
    #[inline(always)]
    pub const fn fragment_key(&self) -> FragmentKey {
        FragmentKey {
            source: self.source,
            destination: self.destination,
            id: self.id,
            protocol: self.protocol as u32,
        }
    }
}

impl Network {
    /// Where the paths through both families and all their headers become one.
    #[inline(always)]
    fn forgotten(self, bytes: &impl Bytes) -> Self {
        let forget_address = |address: Address| {
            let [first, second, third, fourth] = address.words();
            let forget = |word| bytes.forget(word);
            Address::from_words([forget(first), forget(second), forget(third), forget(fourth)])
        };
        Self {
            source: forget_address(self.source),
            destination: forget_address(self.destination),
            id: bytes.forget(self.id),
            payload: bytes.forget(self.payload) & MAX_PAYLOAD_OFFSET,
            fragment_offset: bytes.forget(self.fragment_offset),
            protocol: bytes.forget(self.protocol) & 0xff,
            hop_limit: bytes.forget(self.hop_limit) & 0xff,
            piece: Piece(bytes.forget(self.piece.0)),
        }
    }
}

/// No transport header begins behind it: IPv6's 40 bytes and 256 of extension headers are less.
const MAX_PAYLOAD_OFFSET: u32 = 0x1ff;
