//! Servers of the node, and who asks them.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::socket::{Backlog, listen};

use crate::{
    capture::Capture,
    insider::{Insider, Kind, bind_to},
    link::{CLIENT_V4, CLIENT_V6},
    netns::Netns,
    packet::protocol,
    service::Service,
    wait,
};

/// Ports of servers: on all addresses, and on the node's.
const OPEN: u16 = 8_080;
const BOUND: u16 = 8_081;
/// As [`OPEN`], of IPv6: a socket that has all addresses of both would be one too many.
const OPEN_V6: u16 = 8_082;
const STRANGE: u16 = 9_000;
/// How long anything on its way may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server waits before it looks whether it is still wanted.
const TURN: Duration = Duration::from_millis(50);
/// Requests of one socket that are on their way at once.
const WINDOW: u32 = 32;
/// Sockets that ask.
const ASKING: u32 = 64;

/// Requests and answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Requests sent.
    pub asked: u64,
    /// Those that came to the server.
    pub received: u64,
    /// Answers that came back.
    pub answered: u64,
}

/// Servers of the workload, until they are dropped.
pub(super) struct Servers {
    accepted: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    _services: Vec<Service>,
}

impl Servers {
    pub(super) fn start(insider: &Insider) -> anyhow::Result<Self> {
        let (accepted, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut services = Vec::new();
        for address in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, OPEN)), (CLIENT_V4, BOUND).into()]
        {
            let socket = insider.socket(Kind::Tcp4)?;
            bind_to(&socket, address)?;
            listen(&socket, Backlog::new(1_024)?).context("listen")?;
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            let accepted = Arc::clone(&accepted);
            services.push(Service::start(move |stop| {
                while !stop.is_asked() {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            // Its client says what came of it.
                            drop(echo(stream));
                        }
                        Err(_) => std::thread::sleep(Duration::from_micros(100)),
                    }
                }
            }));
        }
        for address in servers_of_datagrams() {
            let bound = match address.port() {
                OPEN => Ipv4Addr::UNSPECIFIED.into(),
                OPEN_V6 => Ipv6Addr::UNSPECIFIED.into(),
                _ => address.ip(),
            };
            let socket = insider.datagrams(SocketAddr::new(bound, address.port()))?;
            socket.set_read_timeout(Some(TURN))?;
            let received = Arc::clone(&received);
            services.push(Service::start(move |stop| {
                let mut buffer = [0; 64];
                while !stop.is_asked() {
                    let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                    received.fetch_add(1, Ordering::Relaxed);
                    let Some(bytes) = buffer.get(..length) else { continue };
                    // A refusal is an answer that does not arrive.
                    drop(socket.send_to(bytes, from));
                }
            }));
        }
        Ok(Self { accepted, received, _services: services })
    }
}

/// As clients know them. A server on all addresses answers from the one that the route back
/// prefers, which here is the only one.
fn servers_of_datagrams() -> [SocketAddr; 4] {
    [
        (CLIENT_V4, OPEN).into(),
        (CLIENT_V4, BOUND).into(),
        (CLIENT_V6, OPEN_V6).into(),
        (CLIENT_V6, BOUND).into(),
    ]
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    stream.write_all(&bytes)
}

/// Connects from outside, one connection after the other.
pub(super) fn connect(
    world: &Netns,
    connections: u32,
    servers: &Servers,
) -> anyhow::Result<Exchange> {
    let answered = world.run(|| {
        let answered = (0..connections).filter(|number| {
            let port = if number & 1 == 0 { OPEN } else { BOUND };
            exchange((CLIENT_V4, port).into(), *number).is_ok()
        });
        Ok(answered.count() as u64)
    })?;
    let received = servers.accepted.load(Ordering::Relaxed);
    Ok(Exchange { asked: connections.into(), received, answered })
}

fn exchange(server: SocketAddr, number: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&number.to_ne_bytes())?;
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    if bytes == number.to_ne_bytes() { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

/// Asks from outside, from many addresses and ports.
pub(super) fn ask(world: &Netns, datagrams: u32, servers: &Servers) -> anyhow::Result<Exchange> {
    let mut sockets = Vec::new();
    for number in 0..ASKING {
        let index = usize::try_from(number).context("count")?;
        let [a, b, c, d] = servers_of_datagrams();
        let server = match index % 4 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        let last = u8::try_from(number).context("count")?;
        let own: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::new(203, 0, 113, last), 0).into()
        } else {
            (Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, last.into()), 0).into()
        };
        let socket = world.run(|| UdpSocket::bind(own).with_context(|| format!("bind {own}")))?;
        socket.connect(server).with_context(|| format!("connect to {server}"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        sockets.push(socket);
    }
    let mut exchange = Exchange::default();
    let mut left = datagrams;
    while left > 0 {
        for socket in &sockets {
            let window = left.min(WINDOW);
            left -= window;
            exchange.asked += u64::from(window);
            exchange.answered += round(socket, window)?;
        }
    }
    exchange.received = servers.received.load(Ordering::Relaxed);
    Ok(exchange)
}

/// Sends so many requests, and says how many are answered.
fn round(socket: &UdpSocket, window: u32) -> anyhow::Result<u64> {
    for number in 0..window {
        socket.send(&number.to_ne_bytes()).context("send a request")?;
    }
    let mut seen = 0_u64;
    let mut buffer = [0; 64];
    for _ in 0..window {
        // One that is lost ends the round: none of those behind it is waited for in vain.
        let Ok(4) = socket.recv(&mut buffer) else { break };
        let [a, b, c, d, ..] = buffer;
        seen |= 1 << u32::from_ne_bytes([a, b, c, d]).min(63);
    }
    Ok(u64::from(seen.count_ones()))
}

/// Sends a datagram to each of so many ports of the world that never ask.
pub(super) fn send_to_strangers(insider: &Insider, strangers: u16) -> anyhow::Result<()> {
    let socket = insider.datagrams((Ipv4Addr::UNSPECIFIED, 0).into())?;
    for number in 0..strangers {
        // A refusal is what is wanted; what arrives is counted.
        drop(socket.send_to(b"ping", (stranger(), STRANGE + number)));
    }
    Ok(())
}

fn stranger() -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, 1)
}

/// How many of their datagrams have arrived in all.
pub(super) fn strangers_reached(capture: &Capture, strangers: u16) -> u64 {
    let count = || {
        capture.count(|seen| {
            seen.destination == IpAddr::V4(stranger())
                && seen.protocol == protocol::UDP
                && (STRANGE..STRANGE + strangers).contains(&seen.port)
        })
    };
    // The last ones may be on their way; where none comes, this is how long none came.
    let all = || count() >= u64::from(strangers);
    drop(wait::until_true("strangers", Duration::from_secs(1), all));
    count()
}
