//! What `connect` remembers and what egress tells it.
//!
//! A `connect` may be refused at once only where egress would certainly refuse: address
//! translation can rewrite the destination in between. Evidence is a SYN that egress refused
//! with the very destination that the socket asked for.

use crate::address::Address;

/// A destination that egress refused untranslated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct RefusedKey {
    /// The network namespace it was refused in: 0 for the initial one, else its cookie.
    pub namespace: u64,
    /// The destination.
    pub destination: Address,
    /// Its port.
    pub port_be: [u8; 2],
    /// Zero.
    pub padding: [u8; 6],
}

/// When and under which policy it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct RefusedEntry {
    /// The generation that refused it.
    pub generation: u64,
    /// Boot time in nanoseconds after which the evidence is too old.
    pub expires_ns: u64,
}

/// A socket whose connection egress has refused while it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct RefusedSocket {
    /// Its address.
    pub own: Address,
    /// The destination as asked.
    pub peer: Address,
    /// Its port.
    pub own_port_be: [u8; 2],
    /// The destination's port.
    pub peer_port_be: [u8; 2],
    /// 1 where the socket is of IPv6.
    pub is_v6: u32,
}

impl RefusedSocket {
    /// Reads a record; `None` where it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
        let (own, rest) = bytes.split_first_chunk::<16>()?;
        let (peer, rest) = rest.split_first_chunk::<16>()?;
        let (own_port_be, rest) = rest.split_first_chunk::<2>()?;
        let (peer_port_be, rest) = rest.split_first_chunk::<2>()?;
        Some(Self {
            own: Address::from_v6(*own),
            peer: Address::from_v6(*peer),
            own_port_be: *own_port_be,
            peer_port_be: *peer_port_be,
            is_v6: u32::from_ne_bytes(*rest.first_chunk()?),
        })
    }
}

/// How long the evidence holds: a translation rule may be added meanwhile.
pub const EVIDENCE_NS: u64 = 60_000_000_000;

const _: () = assert!(size_of::<RefusedKey>() == 32);
const _: () = assert!(size_of::<RefusedEntry>() == 16);
const _: () = assert!(size_of::<RefusedSocket>() == 40);
