//! DNS as a server speaks it, whoever knows the answers.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use anyhow::Context as _;

use crate::{
    netns::Netns,
    probe::Transport,
    service::{Service, Stop, wake_up},
};

/// Longest answer over UDP to a client that says nothing about it (RFC 1035, 4.2.1).
pub(crate) const PLAIN_UDP_BYTES: usize = 512;
/// Longest message: what the length field of DNS over TCP can say (RFC 1035, 4.2.2).
const MAX_MESSAGE_BYTES: usize = 65_535;

/// Listens on each of `addresses`, over UDP and TCP.
///
/// `answer` has a query and what it came over, and gives the answer; `None`: silence.
pub(crate) fn serve(
    world: &Netns,
    addresses: impl IntoIterator<Item = SocketAddr>,
    answer: impl Fn(&[u8], Transport) -> Option<Vec<u8>> + Clone + Send + 'static,
) -> anyhow::Result<Vec<Service>> {
    let mut services = Vec::new();
    for address in addresses {
        let (datagrams, listener) = world.run(|| {
            let bound = UdpSocket::bind(address)
                .and_then(|datagrams| Ok((datagrams, TcpListener::bind(address)?)));
            bound.with_context(|| format!("bind {address}"))
        })?;
        wake_up(&datagrams)?;
        wake_up(&listener)?;
        let (over_udp, over_tcp) = (answer.clone(), answer.clone());
        services.push(Service::start(move |stop| {
            serve_datagrams(&datagrams, &stop, |query| over_udp(query, Transport::Udp));
        }));
        services.push(Service::start(move |stop| {
            serve_streams(&listener, &stop, move |query| over_tcp(query, Transport::Tcp));
        }));
    }
    Ok(services)
}

fn serve_datagrams(socket: &UdpSocket, stop: &Stop, answer: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut buffer = vec![0; MAX_MESSAGE_BYTES];
    while !stop.is_asked() {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let query = buffer.get(..length).unwrap_or_default();
        if let Some(answer) = answer(query) {
            // A client that has gone is no concern of the server's.
            drop(socket.send_to(&answer, client));
        }
    }
}

/// Each client in a thread of its own.
fn serve_streams(
    listener: &TcpListener,
    stop: &Stop,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Clone + Send + 'static,
) {
    while !stop.is_asked() {
        let Ok((stream, _)) = listener.accept() else { continue };
        let (answer, stop) = (answer.clone(), stop.clone());
        thread::spawn(move || serve_stream(stream, &stop, answer));
    }
}

/// One client after another query, as RFC 7766 allows.
fn serve_stream(
    mut stream: TcpStream,
    stop: &Stop,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<()> {
    wake_up(&stream).ok()?;
    while !stop.is_asked() {
        let mut prefix = [0; 2];
        match stream.read_exact(&mut prefix) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        let mut query = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut query).ok()?;
        // Silence is no answer and no end either: a client that sees the end knows at once.
        let Some(answer) = answer(&query) else { continue };
        let length = u16::try_from(answer.len()).ok()?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).ok()?;
    }
    None
}
