//! What is compared.

use std::fmt;

use serde::Serialize;

/// A way to let pass what an allowlist names, and nothing else; or to do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// Nothing.
    None,
    /// A `cgroup_skb` egress program of two instructions, which lets everything pass.
    Empty,
    /// An nftables set at the hook `output`.
    NftSet,
    /// The same behind a rule that accepts what belongs to an established connection.
    NftSetConntrack,
    /// iptables with an ipset, behind such a rule.
    IpsetConntrack,
    /// The enforcer, on the workload's cgroup.
    Enforcer,
    /// The enforcer, on the workload's cgroup and on the uplink, as it is on a node.
    EnforcerUplinks,
    /// Nothing once more: how far it lies from [`Self::None`] is the noise.
    NoneAgain,
}

impl Contender {
    /// All, in the order in which they take their turns.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Empty,
        Self::NftSet,
        Self::NftSetConntrack,
        Self::IpsetConntrack,
        Self::Enforcer,
        Self::EnforcerUplinks,
        Self::NoneAgain,
    ];

    /// Whether it does nothing.
    pub const fn is_nothing(self) -> bool {
        matches!(self, Self::None | Self::NoneAgain)
    }

    /// Whether it needs a tool or a part of the kernel that the enforcer does without.
    pub const fn may_be_missing(self) -> bool {
        matches!(self, Self::NftSet | Self::NftSetConntrack | Self::IpsetConntrack)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Empty => "empty cgroup_skb",
            Self::NftSet => "nftables set",
            Self::NftSetConntrack => "nftables set + conntrack",
            Self::IpsetConntrack => "ipset + conntrack",
            Self::Enforcer => "enforcer",
            Self::EnforcerUplinks => "enforcer + uplink",
            Self::NoneAgain => "none again",
        })
    }
}
