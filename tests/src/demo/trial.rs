//! A row, tried: what three witnesses saw, and whether that is what was expected.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
};

use anyhow::Context as _;

use super::{
    counters::Moved,
    rows::{Act, By, Row},
    stage::Stage,
};
use crate::{
    Packet, Probe, Report,
    packet::protocol,
    probe::{Family, Outcome, Transport},
};

/// A name that any name server of the demo can be asked for.
const QUESTION: &str = "management.azure.com";

/// How packets are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The enforcer does not run.
    Control,
    /// What the policy does not allow is dropped.
    Enforce,
    /// It is counted, and passes.
    Audit,
}

impl Mode {
    /// Whether a row should be reached.
    pub(super) fn lets_through(self, by: By) -> bool {
        self != Self::Enforce || by.is_allowed()
    }
}

/// What came of a row.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) row: &'static Row,
    pub(super) report: Report,
    /// Packets to the row's destination that came out at the other end of the wire; `None` where
    /// there is no wire on the way.
    arrived: Option<u64>,
    /// Which counters of the kernel moved meanwhile.
    pub(super) counted: Moved,
}

impl Trial {
    /// Runs a row; whoever reads the counters fills them in.
    pub(super) fn run(stage: &Stage, row: &'static Row) -> anyhow::Result<Self> {
        let addresses = stage.addresses(row);
        let address = *addresses.first().with_context(|| format!("find an address of {row}"))?;
        let (protocol, port) = row.wire();
        // A name with several addresses may be reached at any of them.
        let count = || {
            let counts =
                addresses.iter().map(|it| stage.capture.count_to_port(*it, protocol, port));
            counts.sum::<u64>()
        };
        let before = count();
        let report = stage.rig.probe(&row.probe(address, stage.resolver))?;
        let after = count();
        let is_on_wire = report.address.is_none_or(|address| !address.is_loopback());
        let arrived = is_on_wire.then_some(after.saturating_sub(before));
        Ok(Self { row, report, arrived, counted: Moved::default() })
    }

    /// What is not as expected, one sentence each.
    pub(super) fn faults(&self, mode: Mode) -> Vec<String> {
        let mut faults = Vec::new();
        let should_pass = mode.lets_through(self.row.by);
        let has_passed = self.report.is_reached() || self.report.outcome == Outcome::Sent;
        if should_pass && !has_passed {
            faults.push(format!("should be reached, and is not: {}", self.report));
        }
        if !should_pass && !self.report.is_refused() {
            faults.push(format!("should be refused, and is not: {}", self.report));
        }
        match self.arrived {
            Some(0) if should_pass => faults.push("no packet of it arrived".to_owned()),
            Some(count) if count > 0 && !should_pass => {
                faults.push(format!("{count} packets of it leaked"));
            }
            Some(_) | None => {}
        }
        if mode != Mode::Control {
            let counted = self.counted_names();
            if counted != BTreeSet::from([self.row.by.name()]) {
                let counted: Vec<_> = counted.into_iter().collect();
                let expected = self.row.by.name();
                faults.push(format!("counted by [{}], not by {expected}", counted.join(", ")));
            }
        }
        faults
    }

    /// The rules and reasons that counted the row, but for the resolution of its name.
    pub(super) fn counted_names(&self) -> BTreeSet<&str> {
        let mut names = self.counted.names();
        if self.row.is_by_name() {
            names.remove("dns");
        }
        names
    }
}

impl Row {
    /// A packet to the row's address; of a name, to the first that it has.
    fn packet(&self, address: IpAddr) -> Packet {
        let packet = match self.family {
            Family::V4 => Packet::ipv4(),
            Family::V6 => Packet::ipv6(),
        };
        packet.to(&address.to_string()).payload(&[0; 8])
    }

    pub(super) fn is_by_name(&self) -> bool {
        self.to.parse::<IpAddr>().is_err()
    }

    /// `address` is the row's, or one that its name has: the process resolves the name itself.
    fn probe(&self, address: IpAddr, resolver: SocketAddr) -> Probe {
        let server = SocketAddr::new(address, 53);
        let probe = match self.act {
            Act::Tcp(port) => Probe::tcp(address, port),
            Act::TcpAfterForgery(port) => {
                let probe = Probe::tcp(address, port);
                return probe.after_lookup(self.to, self.family, resolver);
            }
            Act::Udp(port) => Probe::udp(address, port),
            Act::Ping => Probe::ping(address),
            Act::LookUp => Probe::lookup(server, QUESTION, Family::V4, Transport::Udp),
            Act::LookUpOverTcp => Probe::lookup(server, QUESTION, Family::V4, Transport::Tcp),
            Act::Raw(_, build, ..) => {
                return Probe::raw(address, build(self.packet(address)).bytes());
            }
        };
        if self.is_by_name() { probe.by_name(self.to, self.family, resolver) } else { probe }
    }

    /// Protocol and port under which the capture counts.
    fn wire(&self) -> (u8, u16) {
        match self.act {
            Act::Tcp(port) | Act::TcpAfterForgery(port) => (protocol::TCP, port),
            Act::Udp(port) => (protocol::UDP, port),
            Act::Ping if self.family == Family::V4 => (protocol::ICMP, 0),
            Act::Ping => (protocol::ICMPV6, 0),
            Act::LookUp => (protocol::UDP, 53),
            Act::LookUpOverTcp => (protocol::TCP, 53),
            Act::Raw(_, _, protocol, port) => (protocol, port),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.act {
            Act::Tcp(port) => write!(f, "{} tcp/{port}", self.to)?,
            Act::TcpAfterForgery(port) => {
                write!(f, "{} tcp/{port} after a forged answer", self.to)?;
            }
            Act::Udp(port) => write!(f, "{} udp/{port}", self.to)?,
            Act::Ping => write!(f, "{} icmp", self.to)?,
            Act::LookUp => write!(f, "{} dns", self.to)?,
            Act::LookUpOverTcp => write!(f, "{} dns over tcp", self.to)?,
            Act::Raw(label, ..) => write!(f, "{} raw: {label}", self.to)?,
        }
        match self.family {
            Family::V4 => Ok(()),
            Family::V6 => f.write_str(" (IPv6)"),
        }
    }
}
