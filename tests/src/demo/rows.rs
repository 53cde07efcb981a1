//! The table: who should reach what, and why.

use crate::{
    packet::{Packet, extension, protocol},
    probe::Family::{self, V4, V6},
};

use Act::{LookUp, LookUpOverTcp, Ping, Raw, Tcp, TcpAfterForgery, Udp};
use By::{Drop, Implicit, Rule};

/// One destination and what should come of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) act: Act,
    /// A name, which the process resolves first, or an address.
    pub(super) to: &'static str,
    /// Over which family a name is reached; of an address, its own.
    pub(super) family: Family,
    pub(super) by: By,
}

/// What a process does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Tcp(u16),
    /// A connection to where a name leads, once it was asked for; the answer is a forged one.
    TcpAfterForgery(u16),
    Udp(u16),
    /// An echo request of a raw socket.
    Ping,
    /// A DNS query over UDP.
    LookUp,
    LookUpOverTcp,
    /// A packet of its own making; what it is called, and the protocol and port that the capture
    /// counts it under.
    Raw(&'static str, fn(Packet) -> Packet, u8, u16),
}

/// What decides, as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A rule that allows.
    Rule(&'static str),
    /// A rule that denies.
    DenyRule(&'static str),
    /// An implicit rule.
    Implicit(&'static str),
    /// No rule allows: the reason.
    Drop(&'static str),
}

impl By {
    /// Whether the row should be reached while the policy is enforced.
    pub(super) const fn is_allowed(self) -> bool {
        matches!(self, Self::Rule(_) | Self::Implicit(_))
    }

    /// As counters and the table name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rule(name) | Self::DenyRule(name) | Self::Implicit(name) | Self::Drop(name) => {
                name
            }
        }
    }
}

const fn row(act: Act, to: &'static str, family: Family, by: By) -> Row {
    Row { act, to, family, by }
}

const NO_RULE: By = Drop("no-rule");
const HCP: By = Rule("aks/*.hcp.japaneast.azmk8s.io");
const DNS: By = Implicit("dns");

pub(super) const ROWS: &[Row] = &[
    // Names of the preset, on the port that it allows.
    row(Tcp(443), "mcr.microsoft.com", V4, Rule("aks/mcr.microsoft.com")),
    row(Tcp(443), "mcr.microsoft.com", V6, Rule("aks/mcr.microsoft.com")),
    row(Tcp(443), "mcr-0001.mcr-msedge.net", V4, Rule("aks/mcr-0001.mcr-msedge.net")),
    row(Tcp(443), "management.azure.com", V4, Rule("aks/management.azure.com")),
    row(Tcp(443), "login.microsoftonline.com", V4, Rule("aks/login.microsoftonline.com")),
    row(Tcp(443), "login.microsoftonline.com", V6, Rule("aks/login.microsoftonline.com")),
    row(Tcp(443), "packages.microsoft.com", V6, Rule("aks/packages.microsoft.com")),
    row(Tcp(443), "packages.aks.azure.com", V4, Rule("aks/packages.aks.azure.com")),
    // The same names, other ports and protocols.
    row(Tcp(80), "mcr.microsoft.com", V4, NO_RULE),
    row(Tcp(80), "mcr.microsoft.com", V6, NO_RULE),
    row(Udp(443), "mcr.microsoft.com", V4, NO_RULE),
    row(Ping, "mcr.microsoft.com", V4, NO_RULE),
    // Names under a wildcard, learned as they are asked for.
    row(Tcp(443), "c1-dns-1a2b.hcp.japaneast.azmk8s.io", V4, HCP),
    row(Tcp(443), "c1-dns-1a2b.hcp.japaneast.azmk8s.io", V6, HCP),
    row(Tcp(443), "a.b.hcp.japaneast.azmk8s.io", V4, HCP),
    row(Tcp(443), "eastus.data.mcr.microsoft.com", V6, Rule("aks/*.data.mcr.microsoft.com")),
    row(Tcp(443), "images.blob.core.windows.net", V4, Rule("storage")),
    row(Tcp(443), "images.blob.core.windows.net", V6, Rule("storage")),
    row(Tcp(443), "md-disk1.blob.storage.azure.net", V4, Rule("disks")),
    row(Tcp(80), "c1-dns-1a2b.hcp.japaneast.azmk8s.io", V4, NO_RULE),
    // Their neighbours.
    row(Tcp(443), "hcp.japaneast.azmk8s.io", V4, NO_RULE),
    row(Tcp(443), "c1.hcp.eastus.azmk8s.io", V6, NO_RULE),
    row(Tcp(443), "blob.core.windows.net", V4, NO_RULE),
    row(Tcp(443), "evilblob.core.windows.net", V4, NO_RULE),
    row(Tcp(443), "core.windows.net", V6, NO_RULE),
    row(Tcp(443), "xmd-disk1.blob.storage.azure.net", V4, NO_RULE),
    row(Tcp(443), "a.hcp.japaneast.azmk8s.io.evil.example", V4, NO_RULE),
    row(TcpAfterForgery(443), "forged.blob.core.windows.net", V4, NO_RULE),
    // Names that look alike, and others.
    row(Tcp(443), "www.microsoft.com", V4, NO_RULE),
    row(Tcp(443), "evilmcr.microsoft.com", V4, NO_RULE),
    row(Tcp(443), "mcr.microsoft.com.evil.example", V6, NO_RULE),
    row(Tcp(443), "exfiltration.example", V4, NO_RULE),
    row(Tcp(443), "exfiltration.example", V6, NO_RULE),
    // Time.
    row(Udp(123), "ntp.ubuntu.com", V4, Rule("ntp")),
    row(Udp(123), "ntp.ubuntu.com", V6, Rule("ntp")),
    row(Udp(124), "ntp.ubuntu.com", V4, NO_RULE),
    row(Udp(123), "time.example", V4, NO_RULE),
    // A range with a hole, and a deny rule in front of it.
    row(Tcp(443), "203.0.113.193", V4, Rule("partners")),
    row(Tcp(443), "2001:db8:c::1", V6, Rule("partners")),
    row(Tcp(443), "203.0.113.209", V4, NO_RULE),
    row(Tcp(443), "2001:db8:c::9", V6, NO_RULE),
    row(Tcp(443), "203.0.113.191", V4, NO_RULE),
    row(Tcp(443), "203.0.113.200", V4, By::DenyRule("quarantine")),
    row(Tcp(443), "2001:db8:c::bad", V6, By::DenyRule("quarantine")),
    // The edges of a range of ports.
    row(Tcp(7999), "203.0.113.40", V4, NO_RULE),
    row(Tcp(8000), "203.0.113.40", V4, Rule("workers")),
    row(Tcp(8010), "203.0.113.40", V4, Rule("workers")),
    row(Tcp(8011), "203.0.113.40", V4, NO_RULE),
    // ICMP.
    row(Ping, "203.0.113.50", V4, Rule("ping")),
    row(Ping, "2001:db8:b::50", V6, Rule("ping")),
    row(Ping, "203.0.113.51", V4, NO_RULE),
    row(Ping, "2001:db8:b::51", V6, NO_RULE),
    // DNS: the trusted resolvers, and another.
    row(LookUp, "203.0.113.53", V4, DNS),
    row(LookUp, "2001:db8:b::53", V6, DNS),
    row(LookUpOverTcp, "203.0.113.53", V4, DNS),
    row(LookUp, "203.0.113.54", V4, NO_RULE),
    row(LookUpOverTcp, "203.0.113.54", V4, NO_RULE),
    // Raw sockets.
    row(Raw("udp/123", |it| it.udp(123), protocol::UDP, 123), "ntp.ubuntu.com", V4, Rule("ntp")),
    row(Raw("tcp/22", |it| it.tcp(22), protocol::TCP, 22), "203.0.113.193", V4, NO_RULE),
    row(Raw("sctp/443", |it| it.sctp(443), protocol::SCTP, 443), "203.0.113.193", V4, NO_RULE),
    row(
        Raw("gre", |it| it.protocol(protocol::GRE), protocol::GRE, 0),
        "203.0.113.193",
        V4,
        NO_RULE,
    ),
    row(
        Raw("a later fragment", |it| it.udp(123).fragment(7, 64, false), protocol::UDP, 0),
        "ntp.ubuntu.com",
        V4,
        Drop("orphan-fragment"),
    ),
    row(
        Raw("source route", |it| it.tcp(443).options(&SOURCE_ROUTE), protocol::TCP, 443),
        "203.0.113.194",
        V4,
        Drop("source-route"),
    ),
    row(
        Raw(
            "mobility header",
            |it| it.extension(extension::MOBILITY, &[0; 6]).tcp(443),
            extension::MOBILITY,
            0,
        ),
        "2001:db8:c::2",
        V6,
        Drop("extension-header"),
    ),
    // The node itself.
    row(Tcp(8080), "127.0.0.1", V4, Implicit("loopback")),
    row(Tcp(8080), "::1", V6, Implicit("loopback")),
];

/// A loose source route (RFC 791, 3.1) by way of 203.0.113.66.
const SOURCE_ROUTE: [u8; 8] = [131, 7, 4, 203, 0, 113, 66, 0];
