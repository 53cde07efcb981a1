//! Who sends by a new device all the time.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::socket::{LinkAddr, MsgFlags, sendto};

use crate::{
    Capture, Insider, Packet, Rig, capture::Seen, insider::Kind, link::device_address,
    packet::protocol, service::Service,
};

const INTERVAL: Duration = Duration::from_micros(200);
const ETHERTYPE_IPV4: u16 = 0x0800;
const EVERYBODY: [u8; 6] = [0xff; 6];
/// Port of the datagrams of a socket.
const PORT: u16 = 443;

/// A thread that sends, until it is dropped.
pub(super) struct Sender {
    sent: Arc<Sent>,
    service: Service,
    _insider: Insider,
}

/// What has been sent.
pub(super) struct Sent {
    /// Where frames go to, each to the port of its number.
    frames_to: IpAddr,
    /// Where the datagrams of a socket go to.
    datagrams_to: IpAddr,
    /// When each frame was sent, and how many datagrams were let go.
    times: Mutex<(Vec<Instant>, u64)>,
}

impl Sender {
    pub(super) fn start(rig: &Rig, device: &str, number: u8) -> anyhow::Result<Self> {
        let insider = rig.insider(&rig.client)?;
        let packets = insider.socket(Kind::Packet)?;
        let datagrams = insider.datagrams(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
        let index = rig.client.run(|| Ok(nix::net::if_::if_nametoindex(device)?))?;
        let address = device_address(index, ETHERTYPE_IPV4, EVERYBODY)?;
        let sent = Arc::new(Sent {
            frames_to: Ipv4Addr::new(198, 18, 0, number).into(),
            datagrams_to: Ipv4Addr::new(198, 19, 0, number).into(),
            times: Mutex::default(),
        });
        let noted = Arc::clone(&sent);
        let service = Service::start(move |stop| {
            let mut next = Instant::now();
            while !stop.is_asked() && !noted.is_over() {
                noted.send(&packets, &address, &datagrams);
                next += INTERVAL;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Ok(Self { sent, service, _insider: insider })
    }

    pub(super) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Ends it.
    pub(super) fn stop(self) -> Arc<Sent> {
        drop(self.service);
        self.sent
    }
}

impl Sent {
    fn lock(&self) -> MutexGuard<'_, (Vec<Instant>, u64)> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames sent.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.lock().0.len()).unwrap_or(u16::MAX)
    }

    /// Whether there are no more numbers.
    pub(super) fn is_over(&self) -> bool {
        self.count() == u16::MAX
    }

    /// Datagrams that the socket was allowed to send.
    pub(super) fn allowed(&self) -> u64 {
        self.lock().1
    }

    /// Datagrams of the socket that arrived.
    pub(super) fn leaked(&self, capture: &Capture) -> u64 {
        capture.count_to(self.datagrams_to)
    }

    /// The number of the last frame that arrived.
    pub(super) fn last_arrived(&self, capture: &Capture) -> Option<u16> {
        self.arrived(capture).max()
    }

    /// For how long after a time frames were sent that arrived, and how many.
    pub(super) fn after(&self, capture: &Capture, time: Instant) -> (Duration, u64) {
        let times = &self.lock().0;
        let passed = self.arrived(capture).filter_map(|number| times.get(usize::from(number)));
        let late: Vec<_> = passed.filter(|sent| **sent >= time).collect();
        let last = late.iter().max().map(|sent| sent.duration_since(time));
        (last.unwrap_or_default(), late.len() as u64)
    }

    fn arrived(&self, capture: &Capture) -> impl Iterator<Item = u16> {
        let all = capture.all().into_iter().map(|(seen, _)| seen);
        let destination = self.frames_to;
        let to =
            move |seen: &Seen| seen.destination == destination && seen.protocol == protocol::UDP;
        all.filter(to).map(|seen| seen.port)
    }

    fn send(&self, packets: &OwnedFd, address: &LinkAddr, datagrams: &UdpSocket) {
        let number = self.count();
        let to = self.frames_to.to_string();
        let packet = Packet::ipv4().from("192.0.2.2").to(&to).udp(number).bytes();
        let mut sent = self.lock();
        sent.0.push(Instant::now());
        // A drop may be told as an error.
        let _: Result<usize, nix::Error> =
            sendto(packets.as_raw_fd(), &packet, address, MsgFlags::empty());
        let is_allowed = datagrams.send_to(b"ping", (self.datagrams_to, PORT)).is_ok();
        sent.1 += u64::from(is_allowed);
    }
}
