//! A stub resolver, as small as one can be.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Message, Query},
    rr::{Name, RecordType},
};

use super::{
    Family, Outcome,
    act::{Failure, at},
};

/// The first address of a name, or why there is none.
pub(super) fn first_address(
    server: SocketAddr,
    name: &str,
    family: Family,
    patience: Duration,
) -> Result<IpAddr, Outcome> {
    let outcome = over_udp(server, name, family, patience).unwrap_or_else(Outcome::from);
    match &outcome {
        Outcome::Answered { addresses, .. } => {
            let none = || Outcome::Failed { errno: 0, during: format!("resolving {name}") };
            addresses.first().copied().ok_or_else(none)
        }
        Outcome::Reached | Outcome::Sent | Outcome::Silence { .. } | Outcome::Failed { .. } => {
            Err(outcome)
        }
    }
}

/// Asks by a datagram.
pub(super) fn over_udp(
    server: SocketAddr,
    name: &str,
    family: Family,
    patience: Duration,
) -> Result<Outcome, Failure> {
    let wildcard = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let (id, query) = query(name, family)?;
    let socket = UdpSocket::bind((wildcard, 0)).map_err(at("bind"))?;
    socket.connect(server).map_err(at("connect"))?;
    socket.set_read_timeout(Some(patience)).map_err(at("set a time-out"))?;
    socket.send(&query).map_err(at("send the query"))?;
    let deadline = Instant::now() + patience;
    let mut buffer = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).map_err(at("receive the answer"))?;
        if let Some(outcome) = read(id, buffer.get(..length).unwrap_or_default()) {
            return Ok(outcome);
        }
        if Instant::now() > deadline {
            return Ok(Outcome::Silence { during: "receive the answer".to_owned() });
        }
    }
}

/// Asks over a stream.
pub(super) fn over_tcp(
    server: SocketAddr,
    name: &str,
    family: Family,
    patience: Duration,
) -> Result<Outcome, Failure> {
    let (id, query) = query(name, family)?;
    let mut stream = TcpStream::connect_timeout(&server, patience).map_err(at("connect"))?;
    stream.set_read_timeout(Some(patience)).map_err(at("set a time-out"))?;
    let length = u16::try_from(query.len()).map_err(|error| invalid("encode the query", error))?;
    let framed = [&length.to_be_bytes(), query.as_slice()].concat();
    stream.write_all(&framed).map_err(at("send the query"))?;
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).map_err(at("receive the answer"))?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut answer).map_err(at("receive the answer"))?;
    read(id, &answer).ok_or_else(|| invalid("read the answer", "not an answer to the query"))
}

fn query(name: &str, family: Family) -> Result<(u16, Vec<u8>), Failure> {
    let kind = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    let name = Name::from_ascii(name).map_err(|error| invalid("read the name", error))?;
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    let bytes = message.to_vec().map_err(|error| invalid("encode the query", error))?;
    Ok((message.metadata.id, bytes))
}

/// The answer in a message; `None` where it answers another query.
fn read(id: u16, bytes: &[u8]) -> Option<Outcome> {
    let message = Message::from_vec(bytes).ok().filter(|message| message.metadata.id == id)?;
    let addresses = message.answers.iter().filter_map(|record| record.data.ip_addr());
    Some(Outcome::Answered {
        code: u16::from(message.metadata.response_code),
        is_truncated: message.metadata.truncation,
        addresses: addresses.collect(),
    })
}

fn invalid(
    during: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Failure {
    at(during)(io::Error::new(io::ErrorKind::InvalidData, error))
}
