//! What really arrives in the world: the control that nothing leaked.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use etherparse::{IpSlice, ip_number};
use nix::{
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
        sockopt,
    },
};

use crate::{
    netns::Netns,
    service::{Service, wake_up},
};

/// Room for packets that wait to be read: 10,000 names resolve in one burst.
const BUFFER_BYTES: usize = 64 << 20;
const MAX_BYTES: usize = 65_535;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Where a packet went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The destination on the wire.
    pub destination: IpAddr,
    /// IANA protocol number, behind extension headers.
    pub protocol: u8,
    /// Destination port of TCP, UDP and SCTP; 0 of others and of later fragments.
    pub port: u16,
}

/// A frame that has no packet of IP in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// Its type; below 1,536 it is none, and 4 what Linux has in its place.
    pub ethertype: u16,
    /// Bytes behind the link header.
    pub length: usize,
}

/// Counts the packets that come into a namespace, from its making on.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    _service: Service,
}

#[derive(Debug)]
struct Shared {
    /// Locked while it is read, so that whoever counts has read all that has arrived.
    socket: Mutex<OwnedFd>,
    packets: Mutex<BTreeMap<Seen, u64>>,
    others: Mutex<BTreeMap<Frame, u64>>,
}

impl Capture {
    /// Starts counting.
    ///
    /// # Errors
    ///
    /// What the kernel refused; it needs `CAP_NET_RAW`.
    pub fn start(namespace: &Netns) -> anyhow::Result<Self> {
        let socket = namespace.run(|| {
            // Without their link header, whatever the link is.
            let kind = SockType::Datagram;
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(AddressFamily::Packet, kind, flags, SockProtocol::EthAll)
                .context("make a packet socket")
        })?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_BYTES)
            .context("enlarge a packet socket's buffer")?;
        wake_up(&socket)?;
        let shared = Arc::new(Shared {
            socket: Mutex::new(socket),
            packets: Mutex::default(),
            others: Mutex::default(),
        });
        let reader = Arc::clone(&shared);
        let service = Service::start(move |stop| {
            while !stop.is_asked() {
                reader.drain();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        Ok(Self { shared, _service: service })
    }

    /// Packets of which something holds, among all that arrived up to this moment.
    pub fn count(&self, holds: impl Fn(&Seen) -> bool) -> u64 {
        self.shared.drain();
        let packets = lock(&self.shared.packets);
        packets.iter().filter(|(seen, _)| holds(seen)).map(|(_, count)| count).sum()
    }

    /// Packets to an address, whatever the protocol.
    pub fn count_to(&self, destination: IpAddr) -> u64 {
        self.count(|seen| seen.destination == destination)
    }

    /// Packets to an address, protocol and port.
    pub fn count_to_port(&self, destination: IpAddr, protocol: u8, port: u16) -> u64 {
        self.count(|seen| *seen == Seen { destination, protocol, port })
    }

    /// Frames without a packet of IP of which something holds.
    pub fn count_frames(&self, holds: impl Fn(&Frame) -> bool) -> u64 {
        self.shared.drain();
        let frames = lock(&self.shared.others);
        frames.iter().filter(|(frame, _)| holds(frame)).map(|(_, count)| count).sum()
    }

    /// Every frame without a packet of IP that arrived, for a failure to show.
    pub fn all_frames(&self) -> Vec<(Frame, u64)> {
        self.shared.drain();
        lock(&self.shared.others).iter().map(|(frame, count)| (*frame, *count)).collect()
    }

    /// Every packet that arrived, for a failure to show.
    pub fn all(&self) -> Vec<(Seen, u64)> {
        self.shared.drain();
        lock(&self.shared.packets).iter().map(|(seen, count)| (*seen, *count)).collect()
    }
}

impl Shared {
    fn drain(&self) {
        let socket = lock(&self.socket);
        let mut buffer = vec![0; MAX_BYTES];
        loop {
            match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
                Ok((length, from)) => {
                    // A packet socket also sees what leaves.
                    let Some(from) = from else { continue };
                    if from.pkttype() == libc::PACKET_OUTGOING {
                        continue;
                    }
                    let ethertype = u16::from_be(from.protocol());
                    let is_ip = ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6;
                    match Seen::of(buffer.get(..length).unwrap_or_default()) {
                        Some(seen) if is_ip => *lock(&self.packets).entry(seen).or_default() += 1,
                        _ => {
                            let frame = Frame { ethertype, length };
                            *lock(&self.others).entry(frame).or_default() += 1;
                        }
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl Seen {
    fn of(bytes: &[u8]) -> Option<Self> {
        let Ok(ip) = IpSlice::from_slice(bytes) else { return Self::of_malformed(bytes) };
        let payload = ip.payload();
        let has_port = matches!(
            payload.ip_number,
            ip_number::TCP | ip_number::UDP | etherparse::IpNumber(132)
        );
        let port = match payload.payload {
            [_, _, high, low, ..] if has_port && !is_later_fragment(&ip) => {
                u16::from_be_bytes([*high, *low])
            }
            _ => 0,
        };
        Some(Self { destination: ip.destination_addr(), protocol: payload.ip_number.0, port })
    }

    /// A packet that is wrong somewhere has arrived all the same.
    fn of_malformed(bytes: &[u8]) -> Option<Self> {
        let (protocol, destination) = match bytes.first()? >> 4 {
            4 => {
                let address: [u8; 4] = bytes.get(16..20)?.try_into().ok()?;
                (bytes.get(9)?, IpAddr::from(address))
            }
            6 => {
                let address: [u8; 16] = bytes.get(24..40)?.try_into().ok()?;
                (bytes.get(6)?, IpAddr::from(address))
            }
            _ => return None,
        };
        Some(Self { destination, protocol: *protocol, port: 0 })
    }
}

fn is_later_fragment(ip: &IpSlice<'_>) -> bool {
    match ip {
        IpSlice::Ipv4(packet) => packet.header().fragments_offset().value() != 0,
        IpSlice::Ipv6(packet) => packet.extensions().clone().into_iter().any(|extension| {
            matches!(extension, etherparse::Ipv6ExtensionSlice::Fragment(fragment)
                if fragment.fragment_offset().value() != 0)
        }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
