//! The acting side of a probe: system calls of an ordinary program.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};

use super::{Action, Outcome, Probe, Report, Target, Transport, dns, echo, library};

/// How long an answer is waited for that need not come.
const LOOKUP: Duration = Duration::from_millis(300);
const MESSAGE: &[u8] = b"is anybody there";

/// A step that did not work, and why.
pub(super) struct Failure {
    during: &'static str,
    error: io::Error,
}

/// Says which step an error belongs to.
pub(super) fn at<E: Into<io::Error>>(during: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure { during, error: error.into() }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let during = failure.during.to_owned();
        // A receive that waited in vain says the first, a connect the second.
        let kind = failure.error.kind();
        if kind == io::ErrorKind::WouldBlock || kind == io::ErrorKind::TimedOut {
            return Self::Silence { during };
        }
        Self::Failed { errno: failure.error.raw_os_error().unwrap_or(0), during }
    }
}

impl Probe {
    /// Acts, in the calling process.
    pub fn act(&self) -> Report {
        let address = match &self.target {
            Target::Address(address) => Ok(*address),
            Target::AfterLookup { address, name, family, resolver } => {
                // What comes of it does not matter.
                drop(dns::first_address(*resolver, name, *family, LOOKUP));
                Ok(*address)
            }
            Target::Name { name, family, resolver } => {
                dns::first_address(*resolver, name, *family, self.patience)
            }
        };
        let begun = Instant::now();
        let outcome = match address {
            Ok(address) => self.act_on(address).unwrap_or_else(Outcome::from),
            Err(ref outcome) => outcome.clone(),
        };
        Report { outcome, address: address.ok(), elapsed: begun.elapsed() }
    }

    fn act_on(&self, address: IpAddr) -> Result<Outcome, Failure> {
        let to = SocketAddr::new(address, self.port);
        match &self.action {
            Action::TcpExchange => exchange_stream(to, self.patience),
            Action::UdpExchange => exchange_datagram(to, self.patience),
            Action::UdpConnect => connected(to).map(|_socket| Outcome::Reached),
            Action::Ping => echo::ping(address, self.patience),
            Action::Lookup { name, family, transport } => match transport {
                Transport::Udp => dns::over_udp(to, name, *family, self.patience),
                Transport::Tcp => dns::over_tcp(to, name, *family, self.patience),
            },
            Action::ByLibrary { name, servers } => {
                let found = library::resolve(name, servers, self.port)?;
                found.into_iter().try_fold(Outcome::Reached, |_, address| {
                    exchange_stream(address, self.patience)
                })
            }
            Action::Raw { packet } => send_raw(address, packet),
        }
    }
}

fn exchange_stream(to: SocketAddr, patience: Duration) -> Result<Outcome, Failure> {
    let mut stream = TcpStream::connect_timeout(&to, patience).map_err(at("connect"))?;
    stream.set_read_timeout(Some(patience)).map_err(at("set a time-out"))?;
    stream.write_all(MESSAGE).map_err(at("send"))?;
    let mut answer = vec![0; MESSAGE.len()];
    stream.read_exact(&mut answer).map_err(at("receive"))?;
    // The end is waited for: no packet of this connection is left for whoever counts next.
    stream.shutdown(Shutdown::Write).map_err(at("shut down"))?;
    stream.read_to_end(&mut answer).map_err(at("receive the end"))?;
    Ok(if answer == MESSAGE { Outcome::Reached } else { garbled() })
}

fn exchange_datagram(to: SocketAddr, patience: Duration) -> Result<Outcome, Failure> {
    let socket = connected(to)?;
    socket.set_read_timeout(Some(patience)).map_err(at("set a time-out"))?;
    socket.send(MESSAGE).map_err(at("send"))?;
    let mut answer = [0; MESSAGE.len()];
    let length = socket.recv(&mut answer).map_err(at("receive"))?;
    Ok(if answer.get(..length) == Some(MESSAGE) { Outcome::Reached } else { garbled() })
}

fn garbled() -> Outcome {
    Outcome::Failed { errno: 0, during: "comparing what came back".to_owned() }
}

fn connected(to: SocketAddr) -> Result<UdpSocket, Failure> {
    let wildcard = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((wildcard, 0)).map_err(at("bind"))?;
    socket.connect(to).map_err(at("connect"))?;
    Ok(socket)
}

/// Sends a packet as it is; the kernel only fills in what is zero (raw(7), `IP_HDRINCL`).
fn send_raw(to: IpAddr, packet: &[u8]) -> Result<Outcome, Failure> {
    let family = match to {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)
        .map_err(at("make a raw socket"))?;
    let no_flags = MsgFlags::empty();
    sendto(socket.as_raw_fd(), packet, &destination(to), no_flags).map_err(at("send"))?;
    Ok(Outcome::Sent)
}

/// The socket address of a raw socket's destination: it has no port.
pub(super) fn destination(to: IpAddr) -> SockaddrStorage {
    SockaddrStorage::from(SocketAddr::new(to, 0))
}
