//! The policy: what a node may reach, validated and immutable.
//!
//! A [`Policy`] can only exist valid: [`parse`] is the one way to make one from text, with errors
//! that name line, column, the offending text and the accepted form. Presets are expanded into
//! ordinary rules behind the file's own, so that whoever reads a `Policy` sees one ordered list.
//!
//! This module knows no clock, no runtime, no kernel and no IO: text goes in, data comes out.

use std::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use ipnet::IpNet;

use self::diagnostic::Diagnostic;
use crate::{fqdn::Pattern, workload::WorkloadSelector};

pub mod compile;
pub mod diagnostic;
mod document;
mod endpoint;
mod port;
pub mod preset;
pub mod schema;
mod validate;
pub mod warn;

/// The version of the policy file and of the documents that describe it.
pub const API_VERSION: &str = "enforcer.dev/v1alpha1";

/// What a text says: a policy unless there are errors, and everything found on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The policy; `None` when a diagnostic is an error.
    pub policy: Option<Policy>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a policy file. All errors are reported, as far as the YAML itself is sound.
pub fn parse(source: &str) -> Parsed {
    match document::parse(source) {
        Ok(root) => validate::validate(&root),
        Err(diagnostic) => Parsed { policy: None, diagnostics: vec![diagnostic] },
    }
}

/// A whole policy document, presets expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// What happens to a packet that no rule allows.
    pub mode: Mode,
    /// Whose DNS answers are trusted, and for how long.
    pub dns: DnsSettings,
    /// Destinations that address translation may rewrite before the wire (service ranges).
    ///
    /// `None`: not stated, so `connect` refuses nothing that was not seen refused at egress.
    /// `Some(empty)`: stated that nothing is translated, so `connect` refuses at once.
    pub virtual_ranges: Option<Vec<IpNet>>,
    /// What may send past every hook.
    pub bypass: Bypass,
    /// Whoever sent a denied packet that is forwarded is told; else the packet is dropped silently.
    pub rejects_forwarded: bool,
    /// The rules, first match first: those of presets that deny, the file's own, then those of the
    /// other presets.
    pub rules: Vec<Rule>,
}

/// Ways to send that no hook sees packets of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bypass {
    /// Sockets of `AF_XDP` may be set up.
    pub af_xdp: bool,
    /// Packet sockets may be told to bypass queueing (`PACKET_QDISC_BYPASS`).
    pub qdisc_bypass: bool,
}

/// What happens to a packet that no rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is dropped and counted.
    Enforce,
    /// It passes, and is counted as a drop would be.
    Audit,
}

/// One rule: who may (or may not) reach what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Unique in the policy; at most 63 bytes of `a-z 0-9 - _ . / @ : *`.
    pub name: String,
    /// What happens to a packet that the rule accepts.
    pub action: Action,
    /// The workloads the rule is for; empty: every workload.
    pub from: Vec<WorkloadSelector>,
    /// The destinations; never empty.
    pub to: Vec<Endpoint>,
    /// The protocols and ports; never empty: what the file left out is filled in by the action.
    pub ports: Vec<PortSpec>,
    /// Whether private addresses in a DNS answer are learned for this rule.
    pub allow_private_answers: bool,
    /// Where the rule was read.
    pub origin: Origin,
}

/// What a rule does with a packet that it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The packet passes.
    Allow,
    /// The packet is dropped.
    Deny,
}

/// A set of destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The addresses that a trusted resolver gives for the names of a pattern.
    Fqdn {
        /// Which names.
        pattern: Pattern,
        /// Line in the policy file, from 1.
        line: u32,
        /// Column in the policy file, from 1, in characters.
        column: u32,
    },
    /// An address range with holes.
    Cidr {
        /// The range, host bits cleared.
        prefix: IpNet,
        /// Ranges inside `prefix` that are not meant; sorted, none inside another.
        except: Vec<IpNet>,
        /// Line in the policy file, from 1.
        line: u32,
        /// Column in the policy file, from 1, in characters.
        column: u32,
    },
}

/// A protocol and, where it has them, a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortSpec {
    /// Every protocol there is: what a deny rule without `ports` means.
    Every,
    /// TCP, to these destination ports.
    Tcp(PortRange),
    /// UDP, to these destination ports.
    Udp(PortRange),
    /// SCTP, to these destination ports.
    Sctp(PortRange),
    /// ICMP on IPv4 and `ICMPv6` on IPv6, every type.
    Icmp,
    /// An IANA protocol number without a notion of ports here.
    Number(u8),
}

/// An inclusive, non-empty range of ports; `0..=65535` is "any port".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Every port.
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    /// `first` to `last`, both included; `None` when they are the wrong way round.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// One port.
    pub const fn only(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// The ports as a range.
    pub const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The preset that the rule comes from, dated (`aks@2026-06`); `None`: the file itself.
    pub preset: Option<String>,
    /// Line in the policy file, from 1: of the rule, or of the preset's mention.
    pub line: u32,
    /// Column in the policy file, from 1.
    pub column: u32,
}

/// The `dns` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettings {
    /// Trusted resolvers; never empty (the default is `system`).
    pub resolvers: Vec<ResolverSpec>,
    /// The shortest lifetime of a learned address; 60 s by default.
    pub min_ttl: Duration,
    /// The longest lifetime of a learned address; 1 h by default.
    pub max_ttl: Duration,
    /// How long an address in use outlives its expiry; 60 s by default.
    pub grace: Duration,
    /// How long the addresses of a name that no longer resolves are kept; 1 h by default.
    pub stale_ttl: Duration,
    /// Prefixes whose IPv6 addresses embed an IPv4 address; `64:ff9b::/96` by default.
    pub nat64: Vec<IpNet>,
}

impl DnsSettings {
    /// The prefixes of `nat64`, with their lengths in bits.
    pub fn nat64_prefixes(&self) -> impl Iterator<Item = ([u8; 16], u8)> {
        self.nat64.iter().filter_map(|prefix| match prefix {
            IpNet::V6(prefix) => Some((prefix.network().octets(), prefix.prefix_len())),
            IpNet::V4(_) => None,
        })
    }
}

/// One trusted resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolverSpec {
    /// The `nameserver` lines of `/etc/resolv.conf`.
    System,
    /// A server by address.
    Address {
        /// Its address.
        address: IpAddr,
        /// Its port, 53 unless stated.
        port: u16,
    },
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

#[cfg(test)]
mod tests;
