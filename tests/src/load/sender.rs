//! Who sends, and what the kernel said to it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::socket::{LinkAddr, MsgFlags, sendto};

use super::{
    lane::{Lane, PORT},
    pace,
};
use crate::{
    Packet, Rig,
    insider::Kind,
    link::{CLIENT_DEVICE, CLIENT_V4, WORLD_HARDWARE_BYTES, device_address},
    service::Service,
};

const ETHERTYPE_IPV4: u16 = 0x0800;
/// Of so many datagrams, the time of one is kept.
pub(super) const TIMED: u64 = 8;
/// Refusals no further apart than this are told as one span.
const MOMENT: Duration = Duration::from_millis(20);

/// A thread that sends.
pub(super) struct Sender {
    sent: Vec<(Lane, Arc<Sent>)>,
    service: Service,
}

/// What came of sending on a lane.
#[derive(Debug, Default)]
pub(super) struct Sent {
    tried: AtomicU64,
    /// Those that the kernel took, whose numbers go up from 0.
    taken: AtomicU64,
    /// Those that it refused as a firewall does (`EPERM`).
    refused: AtomicU64,
    /// Those that failed otherwise.
    failed: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Times {
    /// When each [`TIMED`]th was sent.
    pub(super) sent: Vec<Duration>,
    /// From when to when datagrams were refused.
    pub(super) refused: Vec<(Duration, Duration)>,
}

/// How a lane's datagrams leave.
struct Way {
    sent: Arc<Sent>,
    to: SocketAddr,
    sockets: Sockets,
}

enum Sockets {
    /// One that is connected and one that is not, in turn.
    Datagrams {
        connected: UdpSocket,
        unconnected: UdpSocket,
    },
    Frames {
        socket: OwnedFd,
        by: LinkAddr,
    },
}

impl Sender {
    pub(super) fn start(rig: &Rig, lanes: &[Lane], per_second: u32) -> anyhow::Result<Self> {
        let ways = lanes.iter().map(|lane| Way::make(rig, *lane)).collect::<Result<Vec<_>, _>>()?;
        let sent = ways.iter().map(|way| Arc::clone(&way.sent));
        let sent = lanes.iter().copied().zip(sent).collect();
        let service = Service::start(move |stop| {
            let count = u64::try_from(ways.len()).unwrap_or(u64::MAX).max(1);
            pace::keep(&stop, per_second, |turn, elapsed| {
                let index = usize::try_from(turn % count).unwrap_or(0);
                if let Some(way) = ways.get(index) {
                    way.send(turn / count % 2 == 0, elapsed);
                }
            });
        });
        Ok(Self { sent, service })
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = (Lane, &Sent)> {
        self.sent.iter().map(|(lane, sent)| (*lane, &**sent))
    }

    /// Ends it, and gives what came of it.
    pub(super) fn stop(self) -> Vec<(Lane, Arc<Sent>)> {
        drop(self.service);
        self.sent
    }
}

impl Sent {
    pub(super) fn tried(&self) -> u64 {
        self.tried.load(Ordering::Relaxed)
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn times(&self) -> Times {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, number: u64, outcome: &io::Result<()>, elapsed: Duration) {
        self.tried.fetch_add(1, Ordering::Relaxed);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if number.is_multiple_of(TIMED) {
                    times.sent.push(elapsed);
                }
                self.taken.store(number + 1, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                match times.refused.last_mut() {
                    Some((_, end)) if elapsed.saturating_sub(*end) < MOMENT => *end = elapsed,
                    _ => times.refused.push((elapsed, elapsed)),
                }
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Way {
    fn make(rig: &Rig, lane: Lane) -> anyhow::Result<Self> {
        let insider = rig.insider(&rig.client)?;
        let to = SocketAddr::new(lane.address(), PORT);
        let sockets = if lane == Lane::Frames {
            let index = rig.client.run(|| Ok(nix::net::if_::if_nametoindex(CLIENT_DEVICE)?))?;
            let by = device_address(index, ETHERTYPE_IPV4, WORLD_HARDWARE_BYTES)?;
            Sockets::Frames { socket: insider.socket(Kind::Packet)?, by }
        } else {
            let own = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            let connected = insider.datagrams(own)?;
            connected.connect(to).with_context(|| format!("connect to {to}"))?;
            Sockets::Datagrams { connected, unconnected: insider.datagrams(own)? }
        };
        Ok(Self { sent: Arc::default(), to, sockets })
    }

    /// Sends the next number.
    fn send(&self, by_connected: bool, elapsed: Duration) {
        let number = self.sent.taken();
        let bytes = number.to_ne_bytes();
        let outcome = match &self.sockets {
            Sockets::Datagrams { connected, .. } if by_connected => connected.send(&bytes),
            Sockets::Datagrams { unconnected, .. } => unconnected.send_to(&bytes, self.to),
            Sockets::Frames { socket, by } => {
                let (from, to) = (CLIENT_V4.to_string(), self.to.ip().to_string());
                let packet = Packet::ipv4().from(&from).to(&to).udp(PORT).payload(&bytes).bytes();
                let flags = MsgFlags::empty();
                sendto(socket.as_raw_fd(), &packet, by, flags).map_err(io::Error::from)
            }
        };
        self.sent.note(number, &outcome.map(drop), elapsed);
    }
}
