//! Flows: what admitted them, and who opened them.
//!
//! Whatever is remembered here lets a packet pass that some rule has let pass before, or one that
//! goes back to whoever opened the flow; what is forgotten is judged by the policy again.

use crate::{
    address::Address,
    packet::{Packet, protocol},
};

/// What admitted a TCP connection; socket storage.
///
/// An address of a name may expire while a connection to it lives: as long as the rule that
/// admitted it is in force, and no rule in front of it denies, the flow goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SocketFlow {
    /// The generation that admitted it.
    pub generation: u64,
    /// The destination.
    pub destination: Address,
    /// Its port.
    pub port_be: [u8; 2],
    /// Zero.
    pub padding: [u8; 2],
    /// The rule's slot, plus one; 0: none.
    pub by: u32,
}

/// Two who exchange datagrams: a port of this node, and somebody else.
///
/// The address on this side is no part of it: a socket may have all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PeerKey {
    /// Cookie of the network namespace; 0: not known.
    pub namespace: u64,
    /// His address.
    pub address: Address,
    /// His port.
    pub port_be: [u8; 2],
    /// The port on this side.
    pub own_port_be: [u8; 2],
    /// Zero.
    pub padding: u32,
}

/// Who of them sent first, and until when that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PeerEntry {
    /// In nanoseconds of boot time.
    pub expires_ns: u64,
    /// One of [`opened`].
    pub opened: u32,
    /// Zero.
    pub padding: u32,
}

/// A flow as an uplink sees it, after all translation on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FlowKey {
    /// The address on this side.
    pub own: Address,
    /// The address on the other.
    pub peer: Address,
    /// The port on this side; 0 where the protocol has none.
    pub own_port_be: [u8; 2],
    /// The port on the other; of an ICMP echo its identifier.
    pub peer_port_be: [u8; 2],
    /// The protocol; a whole word, since three bytes of padding are a call for the compiler.
    pub protocol: u32,
}

impl FlowKey {
    /// The flow of a packet that leaves.
    #[inline(always)]
    pub const fn of_leaving(packet: &Packet) -> Self {
        Self {
            own: packet.source,
            peer: packet.destination,
            own_port_be: packet.source_port.to_be_bytes(),
            peer_port_be: packet.destination_port.to_be_bytes(),
            protocol: packet.protocol as u32,
        }
    }

    /// The flow of a packet that has come.
    #[inline(always)]
    pub const fn of_arrived(packet: &Packet) -> Self {
        Self {
            own: packet.destination,
            peer: packet.source,
            own_port_be: packet.destination_port.to_be_bytes(),
            peer_port_be: packet.source_port.to_be_bytes(),
            protocol: packet.protocol as u32,
        }
    }

    /// The exchange of echoes with this identifier.
    #[must_use]
    #[inline(always)]
    pub const fn of_echo(self, identifier_be: [u8; 2]) -> Self {
        Self { own_port_be: [0; 2], peer_port_be: identifier_be, ..self }
    }
}

/// Who began a flow, what admitted it, and until when that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FlowEntry {
    /// In nanoseconds of boot time.
    #[cfg(not(feature = "other-layout"))]
    pub expires_ns: u64,
    /// The generation that admitted a flow of this side.
    pub generation: u64,
    /// As above.
    #[cfg(feature = "other-layout")]
    pub expires_ns: u64,
    /// One of [`opened`].
    pub opened: u32,
    /// The slot of the rule that admitted it, plus one; 0: none.
    pub by: u32,
}

impl FlowEntry {
    /// Whether it counts.
    #[inline(always)]
    pub const fn is_live(&self, now_ns: u64) -> bool {
        now_ns < self.expires_ns
    }
}

/// How long a flow of a protocol lasts without a packet.
///
/// A TCP connection may be silent for as long as its keepalive: 7,200 s and nine probes, 75 s apart
/// (`TCP_KEEPALIVE_TIME`, include/net/tcp.h, 6.18).
#[inline(always)]
pub const fn lifetime_ns(protocol: u8) -> u64 {
    if protocol == protocol::TCP { 7_875_000_000_000 } else { PEER_NS }
}

/// Who sent the first datagram of a flow.
pub mod opened {
    /// The other side: what is sent to it is a reply.
    pub const INBOUND: u32 = 1;
    /// This node: what is sent is judged by the policy, and what comes back opens nothing.
    pub const OUTBOUND: u32 = 2;
}

/// How long a flow of datagrams lasts without a packet: what connection tracking gives it
/// (`nf_conntrack_udp_timeout_stream`, 120 s) and half as much again.
pub const PEER_NS: u64 = 180_000_000_000;
/// How old the expiry of a flow may be: it is not written for each packet.
pub const PEER_REFRESH_NS: u64 = 1_000_000_000;

impl PeerEntry {
    /// Whether it counts.
    #[inline(always)]
    pub const fn is_live(&self, now_ns: u64) -> bool {
        now_ns < self.expires_ns
    }
}

const _: () = assert!(size_of::<SocketFlow>() == 32);
const _: () = assert!(size_of::<PeerKey>() == 32);
const _: () = assert!(size_of::<PeerEntry>() == 16);
const _: () = assert!(size_of::<FlowKey>() == 40 && align_of::<FlowKey>() == 4);
const _: () = assert!(size_of::<FlowEntry>() == 24);
