//! A packet like the ones before it: it passes by what let them pass, and nothing is looked up.

use core::hint::black_box;

use crate::{
    address::Address,
    packet::{Packet, Piece, protocol},
};

/// How long it counts, in ticks of the kernel's clock (`jiffies`): 64 to 640 milliseconds by
/// `CONFIG_HZ`. What changes without a new generation is seen by then: an address that expires, a
/// cgroup that a rule selects, a deny rule's name that has got another address.
pub const TICKS: u32 = 64;

/// No verdict that ends sooner is remembered: more than [`TICKS`] last.
pub const MARGIN_NS: u64 = 1_000_000_000;

/// Bytes in front of which there is no option and no extension: IPv4 (RFC 791, 3.1), IPv6
/// (RFC 8200, 3).
pub const V4_HEADER_BYTES: u32 = 20;
/// As above.
pub const V6_HEADER_BYTES: u32 = 40;

/// Headers without options, as they are on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Plain {
    /// The source address: the words of an [`crate::address::Address`].
    pub source: [u32; 4],
    /// The destination address.
    pub destination: [u32; 4],
    /// Source port and destination port, as they follow each other on the packet.
    pub ports: u32,
    /// [`Plain::form`].
    pub form: u32,
}

impl Plain {
    const V6: u32 = 1 << 8;

    /// Protocol, family, and whether it leaves by the loopback device, in one word.
    #[inline(always)]
    pub const fn form(protocol: u32, is_v6: bool, is_loopback: bool) -> u32 {
        protocol | (is_v6 as u32) << 8 | (is_loopback as u32) << 9
    }

    /// The same of a packet that was parsed; `None` where it has no such headers.
    #[inline(always)]
    pub fn of(packet: &Packet, is_loopback: bool) -> Option<Self> {
        let bytes = if packet.is_v6 { V6_HEADER_BYTES } else { V4_HEADER_BYTES };
        if packet.piece != Piece::WHOLE || packet.transport != bytes {
            return None;
        }
        Self::before_cutting(packet, is_loopback)
    }

    /// As [`Self::of`], of what may be the first piece of it; `None` where it has no ports.
    #[inline(always)]
    pub fn before_cutting(packet: &Packet, is_loopback: bool) -> Option<Self> {
        let has_ports = packet.protocol == protocol::TCP || packet.protocol == protocol::UDP;
        if packet.piece == Piece::LATER || !has_ports {
            None
        } else {
            Some(Self::with_ports(packet, is_loopback))
        }
    }

    /// As [`Self::of`], of what is known to have such headers.
    #[inline(always)]
    pub fn with_ports(packet: &Packet, is_loopback: bool) -> Self {
        let ports = u32::from(packet.source_port) << 16 | u32::from(packet.destination_port);
        Self {
            source: packet.source.words(),
            destination: packet.destination.words(),
            ports: ports.to_be(),
            form: Self::form(u32::from(packet.protocol), packet.is_v6, is_loopback),
        }
    }

    /// What a verdict needs to know of a packet of TCP or UDP with these headers, of so many bytes
    /// from its network header on; the hop limit, which is of no use to it, is 0.
    #[inline(always)]
    pub const fn packet(&self, length: u32, nothing: u32) -> Packet {
        let bytes = if self.is_v6() { V6_HEADER_BYTES } else { V4_HEADER_BYTES };
        let ports = u32::from_be(self.ports);
        Packet {
            source: Address::from_words(self.source),
            destination: Address::from_words(self.destination),
            id: nothing,
            length,
            transport: (bytes ^ nothing) & 0x7f,
            source_port: (ports >> 16) as u16,
            destination_port: ports as u16,
            protocol: self.form as u8,
            hop_limit: nothing as u8,
            is_v6: (self.form & Self::V6 ^ nothing) != 0,
            piece: Piece::whole(nothing),
        }
    }

    /// Whether [`Packet::parse`] would say the same of it as [`Self::packet`], and refuse nothing.
    #[inline(always)]
    pub const fn is_whole(&self, length: u32) -> bool {
        let is_tcp = self.form & 0xff == protocol::TCP as u32;
        let is_udp = self.is_udp();
        let header = if is_tcp { 20 } else { 8 };
        let bytes = if self.is_v6() { V6_HEADER_BYTES } else { V4_HEADER_BYTES };
        let is_mapped = self.is_v6()
            && (Address::from_words(self.source).is_v4_in_v6()
                || Address::from_words(self.destination).is_v4_in_v6());
        (is_tcp || is_udp) && length >= bytes + header && !is_mapped
    }

    /// Whether it is IPv6.
    #[inline(always)]
    pub const fn is_v6(&self) -> bool {
        self.form & Self::V6 != 0
    }

    /// Whether it is a datagram of UDP.
    #[inline(always)]
    pub const fn is_udp(&self) -> bool {
        self.form & 0xff == protocol::UDP as u32
    }
}

/// A packet that has passed twice in a row, and what let it pass; part of socket storage.
///
/// Each word says something in its low half and carries the stamp of its writing in the high one.
/// Two threads may send by one socket and be remembered at once; a mixture of both, which names
/// what neither sent, has two stamps and is nobody's. So no reader takes a lock or depends on the
/// order in which it sees words change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Repeat {
    source: [u64; 4],
    destination: [u64; 4],
    ports: u64,
    form: u64,
    /// The generation's low half.
    generation: u64,
    /// When it was judged, in ticks: the low half of them.
    ticks: u64,
    /// The high half: the low one begins anew after 50 to 497 days, and whoever waits for so long
    /// must not find an old verdict fresh.
    era: u64,
    /// What let it pass ([`crate::decide::Match`]).
    by: u64,
    /// The uplink by which it has left: its index, and where the network header begins
    /// ([`Repeat::uplink`]); 0: none.
    uplink: u64,
    /// Packets that passed since, which the address they go to does not know of.
    pub uncounted: u64,
}

impl Repeat {
    /// Nothing has passed twice.
    pub const NOTHING: Self = Self {
        source: [0; 4],
        destination: [0; 4],
        ports: 0,
        form: 0,
        generation: 0,
        ticks: 0,
        era: 0,
        by: 0,
        uplink: 0,
        uncounted: 0,
    };

    const BASE_BITS: u32 = 5;

    /// A device and where its frames' network header begins, in one word; 0 where they do not fit.
    #[inline(always)]
    pub const fn uplink(ifindex: u32, base: u32) -> u32 {
        if ifindex >> (32 - Self::BASE_BITS) != 0 || base >> Self::BASE_BITS != 0 {
            return 0;
        }
        ifindex << Self::BASE_BITS | base
    }

    /// Where the network header begins on a device, if packets have left by it.
    #[inline(always)]
    pub const fn base(&self, ifindex: u32) -> Option<u32> {
        let uplink = self.uplink as u32;
        if uplink == 0 || uplink >> Self::BASE_BITS != ifindex {
            return None;
        }
        Some(uplink & ((1 << Self::BASE_BITS) - 1))
    }

    /// What let a packet pass, in a [`crate::decide::Match`]'s bits, if it is the one that is
    /// remembered and that still holds at this time in ticks. `is_back`: of one that comes back.
    ///
    /// Words that are looked at twice are read once: between two looks they may change.
    #[inline(always)]
    pub fn passes(&self, plain: &Plain, is_back: bool, generation: u64, ticks: u64) -> Option<u32> {
        let (source, destination, both) = if is_back {
            (&plain.destination, &plain.source, plain.ports.rotate_left(16))
        } else {
            (&plain.source, &plain.destination, plain.ports)
        };
        let (ports, since, by) = black_box((self.ports, self.ticks, self.by));
        let stamp = ports >> 32;
        let mut other = ports ^ word(both, stamp)
            | self.form ^ word(plain.form, stamp)
            | self.generation ^ word(generation as u32, stamp)
            | self.era ^ word((ticks >> 32) as u32, stamp)
            | by >> 32 ^ stamp
            | since >> 32 ^ stamp
            | self.source[3] ^ word(source[3], stamp)
            | self.destination[3] ^ word(destination[3], stamp);
        if plain.is_v6() {
            other |= self.source[0] ^ word(source[0], stamp)
                | self.source[1] ^ word(source[1], stamp)
                | self.source[2] ^ word(source[2], stamp)
                | self.destination[0] ^ word(destination[0], stamp)
                | self.destination[1] ^ word(destination[1], stamp)
                | self.destination[2] ^ word(destination[2], stamp);
        }
        let is_fresh = (ticks as u32).wrapping_sub(since as u32) < TICKS;
        if stamp != 0 && other == 0 && is_fresh { Some(by as u32) } else { None }
    }

    /// Whether [`Self::base`] tells of the packet that is remembered.
    #[inline(always)]
    pub const fn has_left(&self) -> bool {
        self.uplink >> 32 == self.ports >> 32
    }

    /// Whether the packet that is remembered has left, and may leave that way again.
    #[inline(always)]
    pub const fn is_leaving(&self, ticks: u64) -> bool {
        let is_fresh = (ticks as u32).wrapping_sub(self.ticks as u32) < TICKS;
        self.ports >> 32 != 0 && self.has_left() && is_fresh
    }

    /// The destination that is remembered.
    #[inline(always)]
    pub const fn destination(&self) -> Address {
        let [first, second, third, fourth] = self.destination;
        Address::from_words([first as u32, second as u32, third as u32, fourth as u32])
    }

    /// Remembers a packet. Not twice at once: whoever writes holds the lock of the socket's entry.
    #[inline(always)]
    pub const fn write(&mut self, plain: &Plain, by: u32, generation: u64, ticks: u64) {
        let mut stamp = ((self.ports >> 32) + 1) & 0xffff_ffff;
        // Zero stands for nothing.
        if stamp == 0 {
            stamp = 1;
        }
        self.source[0] = word(plain.source[0], stamp);
        self.source[1] = word(plain.source[1], stamp);
        self.source[2] = word(plain.source[2], stamp);
        self.source[3] = word(plain.source[3], stamp);
        self.destination[0] = word(plain.destination[0], stamp);
        self.destination[1] = word(plain.destination[1], stamp);
        self.destination[2] = word(plain.destination[2], stamp);
        self.destination[3] = word(plain.destination[3], stamp);
        self.form = word(plain.form, stamp);
        self.generation = word(generation as u32, stamp);
        self.ticks = word(ticks as u32, stamp);
        self.era = word((ticks >> 32) as u32, stamp);
        self.by = word(by, stamp);
        self.ports = word(plain.ports, stamp);
    }

    /// Remembers by which uplink it leaves ([`Self::uplink`]); under the lock, as [`Self::write`].
    #[inline(always)]
    pub const fn leave(&mut self, uplink: u32) {
        self.uplink = word(uplink, self.ports >> 32);
    }

    /// Remembers an uplink for its network header alone ([`Self::base`]): with the stamp of nothing,
    /// since what is remembered here has not left by it. Under the lock.
    #[inline(always)]
    pub const fn know(&mut self, uplink: u32) {
        self.uplink = word(uplink, 0);
    }

    /// Forgets when it was judged: the next packet is judged anew. Under the lock.
    #[inline(always)]
    pub const fn forget(&mut self) {
        self.ticks = 0;
    }
}

#[inline(always)]
const fn word(says: u32, stamp: u64) -> u64 {
    stamp << 32 | says as u64
}

const _: () = assert!(size_of::<Repeat>() == 128);

#[cfg(test)]
mod tests;
