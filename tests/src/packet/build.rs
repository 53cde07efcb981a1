//! From the parts to the bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Packet, Transport, extension, protocol};

/// Bytes of an Ethernet header: test runs of `cgroup_skb` programs begin with one.
const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;

impl Packet {
    /// The bytes from the network header on.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.ipv4_bytes(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.ipv6_bytes(source, destination),
            _ => Vec::new(),
        };
        if let Some(length) = self.cut {
            bytes.truncate(length);
        }
        bytes
    }

    /// The bytes with an Ethernet header in front.
    pub fn frame(&self) -> Vec<u8> {
        let ethertype: u16 = if self.destination.is_ipv4() { 0x0800 } else { 0x86dd };
        let mut frame = vec![0; ETHERNET_BYTES - 2];
        frame.extend(ethertype.to_be_bytes());
        frame.extend(self.bytes());
        frame
    }

    fn ipv4_bytes(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let body = self.body();
        let header_bytes = IPV4_BYTES + options.len();
        let words = self.header_words.unwrap_or_else(|| low_byte(header_bytes / 4));
        let total = self.total_length.unwrap_or_else(|| low_word(header_bytes + body.len()));
        let (id, flags) = self.fragment.map_or((0, 0), |fragment| {
            let more = if fragment.has_more { 0x2000 } else { 0 };
            (low_word(fragment.id as usize), more | (fragment.offset / 8))
        });
        let mut bytes = vec![self.version.unwrap_or(4) << 4 | words & 0x0f, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([self.hop_limit, self.protocol_number(), 0, 0]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        bytes.extend(options);
        let checksum = checksum(&bytes).to_be_bytes();
        if let Some(field) = bytes.get_mut(10..12) {
            field.copy_from_slice(&checksum);
        }
        bytes.extend(body);
        bytes
    }

    fn ipv6_bytes(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        // Extension headers are written from the last to the first: each names its successor.
        let mut body = self.body();
        let mut next = self.protocol_number();
        if let Some(fragment) = self.fragment {
            let more = u16::from(fragment.has_more);
            let mut header = vec![next, 0];
            header.extend((fragment.offset & !7 | more).to_be_bytes());
            header.extend(fragment.id.to_be_bytes());
            header.extend(body);
            (body, next) = (header, extension::FRAGMENT);
        }
        for (kind, content) in self.extensions.iter().rev() {
            // RFC 4302, 2.2: the authentication header counts words of four bytes, less two.
            let (unit, less) = if *kind == extension::AUTHENTICATION { (4, 2) } else { (8, 1) };
            let mut header = vec![next, 0];
            header.extend(content);
            header.resize(header.len().next_multiple_of(unit).max(8), 0);
            let units = low_byte((header.len() / unit).saturating_sub(less));
            if let Some(length) = header.get_mut(1) {
                *length = units;
            }
            header.extend(body);
            (body, next) = (header, *kind);
        }
        let length = self.total_length.unwrap_or_else(|| low_word(body.len()));
        let mut bytes = vec![self.version.unwrap_or(6) << 4, 0, 0, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([next, self.hop_limit]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        bytes.extend(body);
        bytes
    }

    fn protocol_number(&self) -> u8 {
        match self.transport {
            Transport::Tcp(_) => protocol::TCP,
            Transport::Udp(_) => protocol::UDP,
            Transport::Sctp(_) => protocol::SCTP,
            Transport::Icmp(_) if self.destination.is_ipv4() => protocol::ICMP,
            Transport::Icmp(_) => protocol::ICMPV6,
            Transport::Other(number) => number,
        }
    }

    /// Transport header and payload; of a later fragment the payload alone.
    fn body(&self) -> Vec<u8> {
        let is_later = self.fragment.is_some_and(|fragment| fragment.offset != 0);
        let mut body = if is_later { Vec::new() } else { self.transport_bytes() };
        body.extend(&self.payload);
        body
    }

    fn transport_bytes(&self) -> Vec<u8> {
        let ports = |port: u16| [self.source_port.to_be_bytes(), port.to_be_bytes()].concat();
        match self.transport {
            Transport::Tcp(port) => {
                let mut header = ports(port);
                header.extend([0, 0, 0, 1, 0, 0, 0, 0]);
                // Five words of header, SYN, a window, no checksum, nothing urgent (RFC 9293, 3.1).
                header.extend([5 << 4, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
                header
            }
            Transport::Udp(port) => {
                let mut header = ports(port);
                header.extend(low_word(8 + self.payload.len()).to_be_bytes());
                header.extend([0, 0]);
                header
            }
            Transport::Sctp(port) => {
                let mut header = ports(port);
                header.extend([0; 8]);
                header
            }
            Transport::Icmp(kind) => vec![kind, 0, 0, 0, 0, 1, 0, 1],
            Transport::Other(_) => Vec::new(),
        }
    }
}

/// The low eight bits: what a field of that size holds of a length that is too long for it.
fn low_byte(number: usize) -> u8 {
    let [.., low] = number.to_be_bytes();
    low
}

/// The low sixteen bits.
fn low_word(number: usize) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The ones' complement sum of RFC 1071 over whole words.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !low_word(sum as usize)
}
