//! What is known of a socket from the calls that its owner made.

use crate::{
    address::Address, decide::Match, flow::SocketFlow, learned::bpf_spin_lock, packet::Packet,
    repeat::Repeat,
};

/// What a socket asked for.
///
/// The destination counts only while it is the only one. A second one is written down before the
/// call that names it goes on, so no packet can be on its way to it that is taken for one to the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SocketNote {
    /// The network namespace: 0 for the initial one, else its cookie.
    pub namespace: u64,
    /// The cookie of the network namespace, also of the initial one.
    pub cookie: u64,
    /// The destination as asked.
    pub destination: Address,
    /// Its port.
    pub port_be: [u8; 2],
    /// Zero.
    pub padding: [u8; 6],
    /// 1 once the destination is written.
    pub is_set: u32,
    /// 1 once there were several destinations, or an answer to somebody who sent first; never 0
    /// again.
    pub is_several: u32,
}

/// What the socket hook let pass last; socket storage.
///
/// The same packet on its way out of an uplink need not be judged again, and is not counted again.
/// A mixture of two packets that are sent at once names a destination that the socket hook judges
/// before any packet to it comes to the uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SocketPass {
    /// The generation that let it pass; 0: nothing has passed yet.
    pub generation: u64,
    /// The destination on the packet.
    pub destination: Address,
    /// Its port; of ICMP the type.
    pub port_be: [u8; 2],
    /// Its protocol.
    pub protocol: u8,
    /// Zero.
    pub padding: u8,
    /// What let it pass ([`Match`]).
    pub by: u32,
}

impl SocketPass {
    /// What passes under a generation.
    #[inline(always)]
    pub const fn of(packet: &Packet, by: Match, generation: u64) -> Self {
        Self {
            generation,
            destination: packet.destination,
            port_be: packet.destination_port.to_be_bytes(),
            protocol: packet.protocol,
            padding: 0,
            by: by.bits(),
        }
    }

    /// Whether a packet is one that the socket hook let pass under this generation.
    #[inline(always)]
    pub fn covers(&self, packet: &Packet, generation: u64) -> bool {
        self.generation == generation
            && self.destination == packet.destination
            && self.port_be == packet.destination_port.to_be_bytes()
            && self.protocol == packet.protocol
    }
}

/// Since when a socket's namespace is known.
pub mod noted {
    /// It is not: the socket is older than the hooks, and has made no call since.
    pub const NEVER: u32 = 0;
    /// Since a call of a socket that is older than the hooks.
    pub const LATER: u32 = 1;
    /// Since the socket was made.
    pub const AT_BIRTH: u32 = 2;
}

/// A note with its lock, and flows; socket storage, inherited by accepted sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SocketEntry {
    /// The note.
    pub note: SocketNote,
    /// What admitted its newest flow.
    pub flow: SocketFlow,
    /// What passed last.
    pub pass: SocketPass,
    /// Held while a destination is noted.
    pub lock: bpf_spin_lock,
    /// Whether the note tells the namespace: one of [`noted`].
    pub noted: u32,
    /// 1 for a TCP socket that listens and was asked for a connection, and for those that it
    /// accepts; 0 once it connects to somewhere itself.
    pub is_inbound: u32,
    /// 1 once it has asked a trusted resolver: what it receives may be an answer.
    pub is_asking: u32,
    /// What passes again.
    pub repeat: Repeat,
}

impl SocketEntry {
    /// Whether a call that names this destination says nothing new. What it depends on is written
    /// once, before what says so.
    #[inline(always)]
    pub fn is_told_already(&self, destination: Address, port_be: [u8; 2]) -> bool {
        let note = &self.note;
        let is_same = note.destination == destination && note.port_be == port_be;
        self.noted != noted::NEVER && note.is_set == 1 && (note.is_several == 1 || is_same)
    }
}

impl SocketNote {
    /// Whether the socket is of the agent's own network namespace, as
    /// [`crate::settings::Settings::host_cookie`] tells it.
    #[inline(always)]
    pub const fn is_of_host(&self, host_cookie: u64) -> bool {
        if host_cookie == u64::MAX { self.namespace == 0 } else { self.cookie == host_cookie }
    }

    /// The only destination that the socket ever asked for.
    #[inline(always)]
    pub const fn only_destination(&self) -> Option<(Address, u16)> {
        if self.is_set == 1 && self.is_several == 0 {
            Some((self.destination, u16::from_be_bytes(self.port_be)))
        } else {
            None
        }
    }
}

const _: () = assert!(size_of::<SocketPass>() == 32);
const _: () = assert!(size_of::<SocketEntry>() == 256);
