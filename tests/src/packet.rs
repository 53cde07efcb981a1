//! Packets for program tests and raw sockets, built by a sentence.
//!
//! Whatever is not said is as a well-behaved sender would have it; whatever is said is taken as
//! it is, sound or not. Checksums of transport headers are left zero: no hook looks at them.

mod build;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::link::{CLIENT_V4, CLIENT_V6};

/// Protocol numbers (IANA registry).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// IPv6 extension headers (IANA registry).
pub mod extension {
    /// Hop-by-hop options (RFC 8200, 4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing (RFC 8200, 4.4).
    pub const ROUTING: u8 = 43;
    /// Authentication (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// That nothing follows (RFC 8200, 4.7).
    pub const NO_NEXT_HEADER: u8 = 59;
    /// Destination options (RFC 8200, 4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Mobility (RFC 6275).
    pub const MOBILITY: u8 = 135;
    /// Fragment (RFC 8200, 4.5).
    pub const FRAGMENT: u8 = 44;
}

/// A packet in the making.
#[derive(Debug, Clone)]
pub struct Packet {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    hop_limit: u8,
    transport: Transport,
    payload: Vec<u8>,
    options: Vec<u8>,
    extensions: Vec<(u8, Vec<u8>)>,
    fragment: Option<Fragment>,
    version: Option<u8>,
    header_words: Option<u8>,
    total_length: Option<u16>,
    cut: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Transport {
    Tcp(u16),
    Udp(u16),
    Sctp(u16),
    /// Type; ICMP or `ICMPv6` by the family.
    Icmp(u8),
    Other(u8),
}

#[derive(Debug, Clone, Copy)]
struct Fragment {
    id: u32,
    /// In bytes; a multiple of eight.
    offset: u16,
    has_more: bool,
}

impl Packet {
    /// An IPv4 packet from the client.
    pub fn ipv4() -> Self {
        Self::new(IpAddr::V4(CLIENT_V4), IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// An IPv6 packet from the client.
    pub fn ipv6() -> Self {
        Self::new(IpAddr::V6(CLIENT_V6), IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self {
            source,
            destination,
            source_port: 40_000,
            hop_limit: 64,
            transport: Transport::Other(59),
            payload: Vec::new(),
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            version: None,
            header_words: None,
            total_length: None,
            cut: None,
        }
    }

    /// To an address of the packet's family.
    ///
    /// # Panics
    ///
    /// If the text is no such address.
    #[must_use]
    pub fn to(mut self, destination: &str) -> Self {
        self.destination = same_family(self.destination, destination);
        self
    }

    /// From an address of the packet's family.
    ///
    /// # Panics
    ///
    /// If the text is no such address.
    #[must_use]
    pub fn from(mut self, source: &str) -> Self {
        self.source = same_family(self.source, source);
        self
    }

    /// From a port.
    #[must_use]
    pub fn from_port(mut self, port: u16) -> Self {
        self.source_port = port;
        self
    }

    /// A TCP SYN to a port.
    #[must_use]
    pub fn tcp(self, port: u16) -> Self {
        self.transport(Transport::Tcp(port))
    }

    /// A UDP datagram to a port.
    #[must_use]
    pub fn udp(self, port: u16) -> Self {
        self.transport(Transport::Udp(port))
    }

    /// An SCTP packet to a port, without a chunk.
    #[must_use]
    pub fn sctp(self, port: u16) -> Self {
        self.transport(Transport::Sctp(port))
    }

    /// An ICMP or `ICMPv6` message of a type.
    #[must_use]
    pub fn icmp(self, kind: u8) -> Self {
        self.transport(Transport::Icmp(kind))
    }

    /// Another protocol; its header is what the payload says.
    #[must_use]
    pub fn protocol(self, number: u8) -> Self {
        self.transport(Transport::Other(number))
    }

    fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// With bytes behind the transport header.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// With a time to live or hop limit.
    #[must_use]
    pub fn hop_limit(mut self, hops: u8) -> Self {
        self.hop_limit = hops;
        self
    }

    /// With IPv4 options, filled up to whole words with zeroes.
    #[must_use]
    pub fn options(mut self, bytes: &[u8]) -> Self {
        self.options = bytes.to_vec();
        self
    }

    /// With an IPv6 extension header in front of the transport header, behind those named before:
    /// `body` is what follows its length field, filled up to whole units.
    #[must_use]
    pub fn extension(mut self, kind: u8, body: &[u8]) -> Self {
        self.extensions.push((kind, body.to_vec()));
        self
    }

    /// As the piece of a datagram that begins at `offset` bytes; only the first has a transport
    /// header.
    #[must_use]
    pub fn fragment(mut self, id: u32, offset: u16, has_more: bool) -> Self {
        self.fragment = Some(Fragment { id, offset, has_more });
        self
    }

    /// With another version in the header.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = Some(version);
        self
    }

    /// With another IPv4 header length, in words of four bytes.
    #[must_use]
    pub fn header_words(mut self, words: u8) -> Self {
        self.header_words = Some(words);
        self
    }

    /// With another IPv4 total length or IPv6 payload length.
    #[must_use]
    pub fn total_length(mut self, length: u16) -> Self {
        self.total_length = Some(length);
        self
    }

    /// Cut off behind so many bytes; lengths in headers stay.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Self {
        self.cut = Some(length);
        self
    }
}

#[expect(clippy::panic, reason = "a packet of a test that is not what it says tests nothing")]
fn same_family(like: IpAddr, text: &str) -> IpAddr {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_ipv4() == like.is_ipv4() => address,
        _ => panic!("`{text}` is no address of the packet's family"),
    }
}

#[cfg(test)]
mod tests;
