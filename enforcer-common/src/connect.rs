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

/// How long the evidence holds: a translation rule may be added meanwhile.
pub const EVIDENCE_NS: u64 = 60_000_000_000;

const _: () = assert!(size_of::<RefusedKey>() == 32);
const _: () = assert!(size_of::<RefusedEntry>() == 16);
