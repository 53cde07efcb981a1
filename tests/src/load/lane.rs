//! Where a load goes to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

/// The port of everything.
pub(super) const PORT: u16 = 443;
/// A name that a pattern covers: only the workload asks for it.
pub(super) const BY_PATTERN: &str = "any.load.test";
/// A name that stands in the policy: the agent asks for it itself.
pub(super) const BY_NAME: &str = "exact.test";

/// A destination, and what allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Allowed by its address.
    Cidr,
    /// Allowed by a name that the workload has asked for.
    Pattern,
    /// Allowed by a name that the agent has asked for.
    Name,
    /// Allowed by nothing.
    Forbidden,
    /// Allowed by nothing, and sent past every socket hook: frames of a packet socket.
    Frames,
}

impl Lane {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Cidr, Self::Pattern, Self::Name, Self::Forbidden, Self::Frames];

    /// Whether the policy allows it.
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Cidr | Self::Pattern | Self::Name)
    }

    /// Whether only the answer to a question lets it pass.
    pub(crate) const fn needs_an_answer(self) -> bool {
        matches!(self, Self::Pattern | Self::Name)
    }

    /// Its address.
    pub(super) fn address(self) -> IpAddr {
        IpAddr::V4(match self {
            Self::Cidr => Ipv4Addr::new(198, 18, 0, 1),
            Self::Pattern => Ipv4Addr::new(198, 18, 0, 7),
            Self::Name => Ipv4Addr::new(198, 18, 0, 8),
            Self::Forbidden => Ipv4Addr::new(203, 0, 113, 66),
            Self::Frames => Ipv4Addr::new(203, 0, 113, 67),
        })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cidr => "allowed by an address",
            Self::Pattern => "allowed by a pattern's name",
            Self::Name => "allowed by a name",
            Self::Forbidden => "forbidden",
            Self::Frames => "forbidden frames",
        })
    }
}
