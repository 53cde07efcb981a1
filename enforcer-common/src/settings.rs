//! What one generation of the policy means, in one value.

use crate::{address::Address, rule_mask::RuleMask};

/// The part of the tables that a reload replaces as a whole: written to the idle one of two
/// entries, then selected by the generation word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// The generation that this entry is for; an entry of another generation is not used.
    pub generation: u64,
    /// Union of the [`flag`]s.
    pub flags: u32,
    /// Which bank of the port tables.
    pub bank: u32,
    /// Rules in force.
    pub active: RuleMask,
    /// Rules that deny.
    pub deny: RuleMask,
    /// Rules that are for every workload.
    pub everyone: RuleMask,
    /// Rules that learn private addresses.
    pub private_answers: RuleMask,
    /// Rules that name a domain.
    pub named: RuleMask,
    /// Shortest lifetime of a learned address, in seconds.
    pub min_ttl_secs: u32,
    /// Longest.
    pub max_ttl_secs: u32,
    /// How long an address that is in use outlives its expiry, in nanoseconds.
    pub grace_ns: u64,
    /// The cookie of the agent's network namespace, in which alone an answer may come by loopback;
    /// all ones where the agent cannot tell: then it is the initial one.
    pub host_cookie: u64,
}

/// Bits of [`Settings::flags`].
pub mod flag {
    /// Verdicts are counted and not carried out.
    pub const AUDIT: u32 = 1;
    /// `HOSTS` is not empty.
    pub const HOSTS: u32 = 1 << 1;
    /// `CIDRS` is not empty.
    pub const CIDRS: u32 = 1 << 2;
    /// Some rule is for some workloads only.
    pub const WORKLOADS: u32 = 1 << 3;
    /// Some trusted resolver listens on another port than 53.
    pub const RESOLVER_PORTS: u32 = 1 << 4;
    /// The policy states which destinations are translated.
    pub const VIRTUAL_STATED: u32 = 1 << 5;
    /// Packet sockets may send past every hook.
    pub const ALLOW_QDISC_BYPASS: u32 = 1 << 6;
    /// Sockets of `AF_XDP` may be set up.
    pub const ALLOW_AF_XDP: u32 = 1 << 7;
    /// Devices are judged, where addresses count that were learned for every network namespace.
    pub const UPLINKS: u32 = 1 << 8;
    /// Whoever sent a packet that is forwarded is told that it is not let out.
    pub const REJECT_FORWARDED: u32 = 1 << 9;
}

impl Settings {
    /// Whether `flag` is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// A trusted resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct ResolverKey {
    address: Address,
    port_be: [u8; 2],
    padding: [u8; 2],
}

impl ResolverKey {
    /// The key of a server.
    #[inline(always)]
    pub const fn new(address: Address, port: u16) -> Self {
        Self { address, port_be: port.to_be_bytes(), padding: [0; 2] }
    }

    /// Its address.
    #[cfg(feature = "user")]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its port.
    #[cfg(feature = "user")]
    pub const fn port(&self) -> u16 {
        u16::from_be_bytes(self.port_be)
    }
}

/// What is known of a trusted resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ResolverEntry {
    /// Its number, which no other server has while the maps live; not 0.
    pub number: u32,
    /// 1 where its address is one of the agent's namespace, so that answers come by loopback there.
    pub is_local: u32,
    /// The cgroup whose processes alone speak for it; 0: whoever has the port.
    pub cgroup: u64,
}

const _: () = assert!(size_of::<Settings>() == 16 + 5 * 64 + 24);
const _: () = assert!(size_of::<ResolverKey>() == 20 && align_of::<ResolverKey>() == 4);
const _: () = assert!(size_of::<ResolverEntry>() == 16);
