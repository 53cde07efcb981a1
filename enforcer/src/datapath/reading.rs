//! What the pinned maps say at one moment, as plain data.
//!
//! `status`, `names`, `explain` and the metrics are functions of a [`Reading`]; none of them knows
//! a map.

use std::{collections::BTreeMap, net::IpAddr};

use enforcer_common::{
    dns::Learning,
    verdict::{Implicit, Reason},
};

use super::Document;

/// One look at the pinned maps.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When: nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`).
    pub now_ns: u64,
    /// Whether the agent that wrote the document is alive.
    pub agent_running: bool,
    /// Names, lines and problems.
    pub document: Document,
    /// The generation that packets are judged by; the document's may lag for a moment.
    pub generation: u64,
    /// Whether the kernel is told to let everything pass (audit mode).
    pub is_audit: bool,
    /// The hooks that should be there.
    pub hooks: Vec<HookState>,
    /// A counter for each rule, in the order of `document.rules`.
    pub rules: Vec<Counter>,
    /// A counter for each implicit rule.
    pub implicit: Vec<(Implicit, Counter)>,
    /// A counter for each verdict and family.
    pub totals: Totals,
    /// A counter for each reason a packet was (in audit mode: would have been) dropped for,
    /// zeroes left out, most packets first.
    pub drops: Vec<(Reason, Counter)>,
    /// The addresses of domain names, live and expired-but-present, sorted by address.
    pub addresses: Vec<LearnedAddress>,
    /// What became of answers and of their addresses in the kernel.
    pub learning: BTreeMap<Learning, u64>,
    /// Fill of each map that can fill up.
    pub maps: Vec<MapUse>,
}

/// A hook that the agent attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookState {
    /// Its name: `cgroup_egress`, `cgroup_ingress`...
    pub hook: String,
    /// What it is attached to: the cgroup's path below the cgroup v2 root.
    pub target: String,
    /// Whether its pinned link is still there and attached.
    pub is_attached: bool,
}

/// Packets and bytes since the maps were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets (segments of a GSO packet count each).
    pub packets: u64,
    /// Bytes from the network header on.
    pub bytes: u64,
    /// Boot time of the newest hit in nanoseconds; 0: never.
    pub last_hit_ns: u64,
}

/// Verdicts by family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// IPv4 packets that passed.
    pub allowed_v4: Counter,
    /// IPv6 packets that passed.
    pub allowed_v6: Counter,
    /// IPv4 packets dropped (in audit mode: that would have been).
    pub denied_v4: Counter,
    /// IPv6 packets dropped (in audit mode: that would have been).
    pub denied_v6: Counter,
}

/// An address that a DNS answer gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedAddress {
    /// The address.
    pub address: IpAddr,
    /// The network namespace that it counts in; `None`: every one.
    pub namespace: Option<u64>,
    /// Slots of the rules it stands for.
    pub slots: Vec<u16>,
    /// The names it was last seen under.
    pub names: Vec<String>,
    /// Boot time of its expiry in nanoseconds.
    pub expires_ns: u64,
    /// Packets sent to it since it was learned.
    pub packets: u64,
}

/// From how full on a map is a problem.
pub const FILLING_PERCENT: u64 = 80;
/// Below this it is none any more.
const EASED_PERCENT: u64 = 75;

/// Whether a map is filling up, by whether it was: that begins later than it ends, or it would be
/// said over and over.
pub const fn is_filling(used: u64, size: u64, was: bool) -> bool {
    let percent = if was { EASED_PERCENT } else { FILLING_PERCENT };
    size > 0 && used.saturating_mul(100) >= size.saturating_mul(percent)
}

/// How full a map is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapUse {
    /// The map's name.
    pub map: String,
    /// Entries in it.
    pub entries: u64,
    /// Entries it can hold.
    pub max_entries: u64,
}
