//! Servers that send back what they get, and count it.

use std::{
    collections::BTreeMap,
    io::{IoSlice, IoSliceMut, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use nix::{
    cmsg_space, libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
        setsockopt, sockopt,
    },
};

use crate::{
    netns::Netns,
    service::{Service, Stop, canonical, wake_up},
};

/// Longest datagram.
const MAX_BYTES: usize = 65_535;

/// An echo server on one port of every address of a namespace, both families.
#[derive(Debug)]
pub struct Peer {
    arrivals: Arrivals,
    _services: Vec<Service>,
}

/// Connections and datagrams by the address they were sent to.
#[derive(Debug, Clone, Default)]
struct Arrivals(Arc<Mutex<BTreeMap<IpAddr, u64>>>);

impl Peer {
    /// Serves TCP: a connection's bytes come back until the client ends it.
    ///
    /// # Errors
    ///
    /// That the port cannot be bound.
    pub fn tcp(namespace: &Netns, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        // A socket of the IPv6 wildcard takes IPv4 as well: the namespace's default.
        let listener = namespace
            .run(|| TcpListener::bind(address).with_context(|| format!("bind tcp/{port}")))?;
        wake_up(&listener)?;
        let arrivals = Arrivals::default();
        let counted = arrivals.clone();
        let service = Service::start(move |stop| accept(&listener, &counted, &stop));
        Ok(Self { arrivals, _services: vec![service] })
    }

    /// Serves UDP: a datagram comes back from the address it was sent to.
    ///
    /// # Errors
    ///
    /// That the port cannot be bound.
    pub fn udp(namespace: &Netns, port: u16) -> anyhow::Result<Self> {
        let arrivals = Arrivals::default();
        let mut services = Vec::new();
        // One socket a family: the two tell the destination in different ways.
        for wildcard in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            let socket = namespace.run(|| datagram_socket(wildcard, port))?;
            let counted = arrivals.clone();
            services.push(Service::start(move |stop| {
                while !stop.is_asked() {
                    echo_datagram(&socket, &counted);
                }
            }));
        }
        Ok(Self { arrivals, _services: services })
    }

    /// Connections or datagrams that came to an address.
    pub fn arrived_at(&self, address: IpAddr) -> u64 {
        self.arrivals.lock().get(&address).copied().unwrap_or(0)
    }

    /// Connections or datagrams that came.
    pub fn arrived(&self) -> u64 {
        self.arrivals.lock().values().sum()
    }
}

impl Arrivals {
    fn add(&self, address: IpAddr) {
        *self.lock().entry(address).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, arrivals: &Arrivals, stop: &Stop) {
    while !stop.is_asked() {
        let Ok((stream, _)) = listener.accept() else { continue };
        let Ok(destination) = stream.local_addr() else { continue };
        arrivals.add(canonical(destination).ip());
        let stop = stop.clone();
        thread::spawn(move || echo_stream(stream, &stop));
    }
}

fn echo_stream(mut stream: TcpStream, stop: &Stop) {
    if wake_up(&stream).is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    while !stop.is_asked() {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                if stream.write_all(bytes).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

fn datagram_socket(wildcard: IpAddr, port: u16) -> anyhow::Result<UdpSocket> {
    let socket = match wildcard {
        IpAddr::V4(_) => UdpSocket::bind((wildcard, port)),
        IpAddr::V6(_) => v6_only(port),
    }
    .with_context(|| format!("bind udp/{port} of {wildcard}"))?;
    match wildcard {
        IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true),
        IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true),
    }
    .context("ask for datagrams' destinations")?;
    wake_up(&socket)?;
    Ok(socket)
}

/// A socket that leaves IPv4 to the other one.
fn v6_only(port: u16) -> std::io::Result<UdpSocket> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, socket};
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet6, SockType::Datagram, flags, None)?;
    setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    let address = std::net::SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    bind(socket.as_raw_fd(), &SockaddrIn6::from(address))?;
    Ok(UdpSocket::from(socket))
}

/// Counts one datagram and sends it back, in this order: whoever has the answer sees the count.
fn echo_datagram(socket: &UdpSocket, arrivals: &Arrivals) -> Option<()> {
    let mut buffer = vec![0; MAX_BYTES];
    let mut control = cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )
    .ok()?;
    let (length, client) = (received.bytes, received.address?);
    let info = received.cmsgs().ok()?.next()?;
    let bytes = buffer.get(..length)?;
    let send = |info: ControlMessage<'_>| {
        let parts = [IoSlice::new(bytes)];
        // A client that has gone is no concern of the server's.
        let _ = sendmsg(socket.as_raw_fd(), &parts, &[info], MsgFlags::empty(), Some(&client));
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
    match info {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let destination = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
            let source = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: info.ipi_addr, ..info };
            arrivals.add(IpAddr::V4(destination));
            send(ControlMessage::Ipv4PacketInfo(&source));
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let destination = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            let source = libc::in6_pktinfo { ipi6_ifindex: 0, ..info };
            arrivals.add(IpAddr::V6(destination));
            send(ControlMessage::Ipv6PacketInfo(&source));
        }
        _ => {}
    }
    Some(())
}
