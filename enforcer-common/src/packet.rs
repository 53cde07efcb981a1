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

/// The bytes of a packet from its network header on.
pub trait Bytes {
    /// How many there are.
    fn length(&self) -> u32;

    /// What the layer below says they are, in host order (0x0800, 0x86dd).
    fn ethertype(&self) -> u16;

    /// `N` bytes from `offset` on; `None` where the packet ends before.
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
}

/// Whether a packet is a piece of a datagram, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Piece {
    /// A whole datagram.
    Whole = 0,
    /// The first fragment: it has the ports.
    First = 1,
    /// Any other fragment: it has none.
    Later = 2,
}

/// What a verdict needs to know of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification of a fragment, as on the wire; zero for a whole datagram.
    pub id: [u8; 4],
    /// Bytes from the network header on.
    pub length: u32,
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

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// The reason for which a packet of this form is dropped.
    #[inline(always)]
    pub fn parse(bytes: &impl Bytes) -> Result<Self, Reason> {
        match bytes.ethertype() {
            ethertype::IPV4 => ipv4::parse(bytes),
            ethertype::IPV6 => ipv6::parse(bytes),
            _ => Err(Reason::NotIp),
        }
    }

    /// The key that all fragments of the datagram share.
    #[inline(always)]
    pub const fn fragment_key(&self) -> FragmentKey {
        FragmentKey {
            source: self.source,
            destination: self.destination,
            id: self.id,
            protocol: self.protocol,
            padding: [0; 3],
        }
    }
}
