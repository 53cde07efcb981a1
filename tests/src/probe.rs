//! One action of one process in the client's cgroup, and what came of it.

mod act;
mod dns;
mod echo;
mod library;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// How long a probe waits for an answer unless stated: everything answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that a process does to the network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probe {
    action: Action,
    target: Target,
    port: u16,
    patience: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Action {
    /// Connects, sends, wants the same back, and ends the connection.
    TcpExchange,
    /// Sends a datagram and wants the same back.
    UdpExchange,
    /// Connects a UDP socket: nothing is sent.
    UdpConnect,
    /// Sends an echo request on a raw socket and wants the reply.
    Ping,
    /// Asks a server for a name's addresses.
    Lookup { name: String, family: Family, transport: Transport },
    /// Lets the C library resolve a name by a `resolv.conf`, and connects to each address.
    ByLibrary { name: String, servers: Vec<IpAddr> },
    /// Sends the bytes of a packet, network header included.
    Raw { packet: Vec<u8> },
}

/// Where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Target {
    Address(IpAddr),
    /// An address, once a resolver was asked for a name in vain or not.
    AfterLookup {
        address: IpAddr,
        name: String,
        family: Family,
        resolver: SocketAddr,
    },
    /// The first address that a resolver gives.
    Name {
        name: String,
        family: Family,
        resolver: SocketAddr,
    },
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a DNS query goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream (RFC 7766).
    Tcp,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The end of it.
    pub outcome: Outcome,
    /// The address that was tried.
    pub address: Option<IpAddr>,
    /// From the first system call to the end, a name's resolution not included.
    pub elapsed: Duration,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The other end answered.
    Reached,
    /// The kernel took it, and no answer is expected.
    Sent,
    /// A name server answered.
    Answered {
        /// The response code's number (RFC 1035, 4.1.1).
        code: u16,
        /// Whether it says that the answer is cut short.
        is_truncated: bool,
        /// The addresses in it.
        addresses: Vec<IpAddr>,
    },
    /// No answer in time.
    Silence {
        /// The step that waited.
        during: String,
    },
    /// A system call failed.
    Failed {
        /// Its number (errno), 0 where the failure is not the kernel's.
        errno: i32,
        /// The step that failed.
        during: String,
    },
}

impl Probe {
    fn new(action: Action, target: Target, port: u16) -> Self {
        Self { action, target, port, patience: PATIENCE }
    }

    /// A TCP connection that carries something there and back.
    pub fn tcp(to: impl Into<IpAddr>, port: u16) -> Self {
        Self::new(Action::TcpExchange, Target::Address(to.into()), port)
    }

    /// A datagram there and back.
    pub fn udp(to: impl Into<IpAddr>, port: u16) -> Self {
        Self::new(Action::UdpExchange, Target::Address(to.into()), port)
    }

    /// A UDP socket's `connect`, which sends nothing.
    pub fn udp_connect(to: impl Into<IpAddr>, port: u16) -> Self {
        Self::new(Action::UdpConnect, Target::Address(to.into()), port)
    }

    /// An echo request of a raw socket, ICMP or `ICMPv6`.
    pub fn ping(to: impl Into<IpAddr>) -> Self {
        Self::new(Action::Ping, Target::Address(to.into()), 0)
    }

    /// A question to a name server.
    pub fn lookup(server: SocketAddr, name: &str, family: Family, transport: Transport) -> Self {
        let action = Action::Lookup { name: name.to_owned(), family, transport };
        Self::new(action, Target::Address(server.ip()), server.port())
    }

    /// A TCP connection to every address that the C library finds for a name, by these servers; the
    /// process has a `/etc` of its own.
    pub fn by_library(name: &str, servers: &[IpAddr], port: u16) -> Self {
        let action = Action::ByLibrary { name: name.to_owned(), servers: servers.to_vec() };
        Self::new(action, Target::Address(IpAddr::from([0; 4])), port)
    }

    /// A packet with headers of one's own making.
    pub fn raw(to: impl Into<IpAddr>, packet: Vec<u8>) -> Self {
        Self::new(Action::Raw { packet }, Target::Address(to.into()), 0)
    }

    /// The same to whatever address a name has: the process asks `resolver` first, as programs do.
    #[must_use]
    pub fn by_name(mut self, name: &str, family: Family, resolver: SocketAddr) -> Self {
        self.target = Target::Name { name: name.to_owned(), family, resolver };
        self
    }

    /// The same to the same address, once `resolver` was asked for a name, whatever comes of that.
    #[must_use]
    pub fn after_lookup(mut self, name: &str, family: Family, resolver: SocketAddr) -> Self {
        if let Target::Address(address) = self.target {
            self.target = Target::AfterLookup { address, name: name.to_owned(), family, resolver };
        }
        self
    }

    /// The same with another patience.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Report {
    /// Whether the other end answered.
    pub fn is_reached(&self) -> bool {
        matches!(self.outcome, Outcome::Reached | Outcome::Answered { .. })
    }

    /// Whether it ended as a firewall's refusal does: by `EPERM`, ended by the agent, or in silence.
    pub fn is_refused(&self) -> bool {
        self.is_refused_at_once()
            || self.errno() == Some(nix::libc::ECONNABORTED)
            || matches!(self.outcome, Outcome::Silence { .. })
    }

    /// Whether the kernel said `EPERM`.
    pub fn is_refused_at_once(&self) -> bool {
        self.errno() == Some(nix::libc::EPERM)
    }

    /// The number of a failed system call.
    pub fn errno(&self) -> Option<i32> {
        match self.outcome {
            Outcome::Failed { errno, .. } => Some(errno),
            Outcome::Reached
            | Outcome::Sent
            | Outcome::Answered { .. }
            | Outcome::Silence { .. } => None,
        }
    }

    /// The addresses that a name server answered with.
    pub fn addresses(&self) -> &[IpAddr] {
        match &self.outcome {
            Outcome::Answered { addresses, .. } => addresses,
            Outcome::Reached | Outcome::Sent | Outcome::Silence { .. } | Outcome::Failed { .. } => {
                &[]
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Reached => f.write_str("reached"),
            Outcome::Sent => f.write_str("sent"),
            Outcome::Answered { code: 0, addresses, .. } => {
                write!(f, "answered, addresses: {}", addresses.len())
            }
            Outcome::Answered { code, .. } => write!(f, "answered, code {code}"),
            Outcome::Silence { during } => write!(f, "silence at {during}"),
            Outcome::Failed { errno, during } if *errno != 0 => {
                write!(f, "{:?} at {during}", nix::errno::Errno::from_raw(*errno))
            }
            Outcome::Failed { during, .. } => write!(f, "failed at {during}"),
        }
    }
}
