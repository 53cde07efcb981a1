//! Datagrams in pieces: later fragments follow the verdict of the first.

use crate::address::Address;

/// What a datagram's fragments have in common (RFC 791, 3.2; RFC 8200, 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification, bytes in network order; IPv4 in the last two.
    pub id: u32,
    /// Protocol of the datagram.
    pub protocol: u32,
}

/// That the first fragment of a datagram passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FragmentEntry {
    /// The generation that let it pass.
    pub generation: u64,
    /// Boot time in nanoseconds after which a fragment is too late.
    pub expires_ns: u64,
    /// The rule, or the implicit rule, that let it pass ([`crate::decide::Match`]).
    pub by: u32,
    /// Zero.
    pub padding: u32,
}

/// How long a datagram may take to arrive whole: Linux gives up on it after 30 s
/// (`IP_FRAG_TIME`, include/net/ip.h, 6.18).
pub const LIFETIME_NS: u64 = 30_000_000_000;

const _: () = assert!(size_of::<FragmentKey>() == 40 && align_of::<FragmentKey>() == 4);
const _: () = assert!(size_of::<FragmentEntry>() == 24);
