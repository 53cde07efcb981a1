//! Where techniques are tried: a rig, a workload on it, a count of what arrives.

use std::{
    cell::OnceCell,
    io::IoSlice,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use enforcer_tests::{
    Agent, Capture, Insider, Netns, Peer, Rig,
    link::{CLIENT_V4, CLIENT_V6},
    packet::protocol,
};
use nix::{
    errno::Errno,
    libc,
    sys::socket::{MsgFlags, SockaddrStorage, connect, sendmsg},
};

use super::technique::{Goal, Targets};
use crate::world::policy;

/// The only addresses that the policy names.
pub(super) const ALLOWED_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
pub(super) const ALLOWED_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10);
const RULE: &str = "{name: one, to: [{cidr: 203.0.113.10/32}, {cidr: '2001:db8:a::10/128'}], \
                    ports: [any]}";
/// Without `virtualRanges`, no `connect` is refused by its call: the packet has to be.
const SETTINGS: &str = "dns: {resolvers: [203.0.113.53]}";
/// Where somebody listens in the world, whatever the address.
pub(super) const PORT: u16 = 443;
pub(super) const DATA: &[u8] = b"out";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// In the cgroup that is enforced.
    Workload,
    /// In another one, so that only uplinks judge.
    Elsewhere,
}

impl Home {
    fn insider(self, rig: &Rig, namespace: &Netns) -> anyhow::Result<Insider> {
        match self {
            Self::Workload => rig.insider(namespace),
            Self::Elsewhere => rig.outsider(namespace),
        }
    }
}

pub(super) struct Ground<'r> {
    pub(super) rig: &'r Rig,
    pub(super) insider: Insider,
    capture: Capture,
    pub(super) home: Home,
    agent: OnceCell<Agent<'r>>,
    _peers: [Peer; 2],
}

impl<'r> Ground<'r> {
    pub(super) fn on(rig: &'r Rig, home: Home) -> anyhow::Result<Self> {
        let peers = [Peer::tcp(&rig.world, PORT)?, Peer::udp(&rig.world, PORT)?];
        // Data goes with the first segment, whether the other end has allowed it or not
        // (Documentation/networking/ip-sysctl.rst, tcp_fastopen).
        rig.client.set("ipv4/tcp_fastopen", "5")?;
        rig.client.set("ipv4/ping_group_range", "0 2147483647")?;
        // Of errors and resets the tests send more than is sent in earnest.
        rig.client.set("ipv4/icmp_ratelimit", "0")?;
        let insider = home.insider(rig, &rig.client)?;
        let (capture, agent) = (rig.capture()?, OnceCell::new());
        Ok(Self { rig, insider, capture, home, agent, _peers: peers })
    }

    /// A process of the cgroup that techniques are tried in, in a namespace.
    pub(super) fn insider_in(&self, namespace: &Netns) -> anyhow::Result<Insider> {
        self.home.insider(self.rig, namespace)
    }

    /// Puts a policy in force.
    pub(super) fn enforce(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let agent = self.rig.agent_with(&policy(SETTINGS, &[RULE]), arguments)?;
        assert!(self.agent.set(agent).is_ok(), "an agent is enough");
        Ok(())
    }

    /// Waits until an uplink is judged, where there is an agent to do so.
    pub(super) fn wait_until_judged(&self, device: &str) -> anyhow::Result<()> {
        let Some(agent) = self.agent.get() else { return Ok(()) };
        agent.wait_for_line("an uplink", |line| {
            line.contains("judging an uplink") && line.contains(device)
        })
    }

    /// How often the goal has been reached.
    pub(super) fn arrived(&self, goal: Goal, targets: Targets) -> u64 {
        let at_port = |port| {
            self.capture.count(|seen| seen.destination == targets.allowed && seen.port == port)
        };
        match goal {
            Goal::V4 | Goal::V6 => self.capture.count_to(targets.forbidden),
            Goal::Many(address) => self.capture.count_to(address.parse().unwrap()),
            Goal::DetourV4(port) | Goal::DetourV6(port) => at_port(port),
            Goal::Frame(types, length) => {
                self.capture.count_frames(|it| types.contains(&it.ethertype) && it.length == length)
            }
        }
    }

    /// Packets of UDP that have come to an address.
    pub(super) fn datagrams_to(&self, address: IpAddr) -> u64 {
        self.capture.count_to_port(address, protocol::UDP, PORT)
    }

    pub(super) fn packets_to(&self, address: IpAddr) -> u64 {
        self.capture.count_to(address)
    }

    /// Everything that has come, for a failure to show.
    pub(super) fn seen(&self) -> String {
        format!("{:?} and {:?}", self.capture.all_frames(), self.capture.all())
    }

    /// A socket of the workload that waits for nothing, by the numbers of socket(2).
    pub(super) fn socket(&self, family: i32, kind: i32, protocol: i32) -> anyhow::Result<OwnedFd> {
        self.insider.socket_of([family, kind | libc::SOCK_NONBLOCK, protocol])
    }

    /// Sends an ordinary datagram.
    pub(super) fn datagram(&self, to: IpAddr) -> anyhow::Result<()> {
        send(&self.socket(family_of(to), libc::SOCK_DGRAM, 0)?, DATA, SocketAddr::new(to, PORT))
    }

    /// Sends a packet, its network header included.
    pub(super) fn raw(&self, packet: &[u8], to: IpAddr) -> anyhow::Result<()> {
        let socket = self.socket(family_of(to), libc::SOCK_RAW, libc::IPPROTO_RAW)?;
        send(&socket, packet, SocketAddr::new(to, 0))
    }
}

pub(super) fn family_of(address: IpAddr) -> i32 {
    if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

/// The client's address of the same family.
pub(super) fn client_like(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { CLIENT_V4.into() } else { CLIENT_V6.into() }
}

pub(super) fn send(socket: impl AsFd, bytes: &[u8], to: SocketAddr) -> anyhow::Result<()> {
    send_with(socket, bytes, Some(to), MsgFlags::empty())
}

pub(super) fn send_with(
    socket: impl AsFd,
    bytes: &[u8],
    to: Option<SocketAddr>,
    flags: MsgFlags,
) -> anyhow::Result<()> {
    let to = to.map(SockaddrStorage::from);
    let socket = socket.as_fd().as_raw_fd();
    match sendmsg(socket, &[IoSlice::new(bytes)], &[], flags, to.as_ref()) {
        // What is refused because a connection is only being made has sent its first segment.
        Ok(_) | Err(Errno::EINPROGRESS) => Ok(()),
        Err(error) => Err(error).context("send"),
    }
}

/// Begins a connection.
pub(super) fn begin(socket: &OwnedFd, to: SocketAddr) -> anyhow::Result<()> {
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("connect to {to}")),
    }
}
