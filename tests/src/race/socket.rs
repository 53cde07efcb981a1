//! The two things that a client does: ask for a name, and connect.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket,
            sockopt,
        },
        time::TimeVal,
    },
};

use crate::probe::Family;

/// How long an answer or a connection is waited for: a lost SYN is repeated after one second.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_SECS: i64 = 5;
/// What a client of large answers says that it takes.
const LARGE_BYTES: u16 = 4_096;
const HEADER_BYTES: usize = 12;
/// Bytes of a record before its data, its owner a pointer.
const RECORD_BYTES: usize = 12;

/// A question in wire format.
pub(crate) struct Query {
    bytes: Vec<u8>,
    /// Where its question ends.
    end: usize,
    family: Family,
}

impl Query {
    /// Asks for a name of letters and digits.
    pub(crate) fn new(id: u16, name: &str, family: Family) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(id.to_be_bytes());
        bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap_or(63));
            bytes.extend(label.bytes());
        }
        bytes.extend([0, 0, if family == Family::V4 { 1 } else { 28 }, 0, 1]);
        let end = bytes.len();
        Self { bytes, end, family }
    }

    /// Says that a large answer is taken (RFC 6891).
    pub(crate) fn large(mut self) -> Self {
        let [high, low] = LARGE_BYTES.to_be_bytes();
        self.bytes.extend([0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]);
        if let Some(additional) = self.bytes.get_mut(HEADER_BYTES - 1) {
            *additional = 1;
        }
        self
    }

    /// The message.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first address of the answer to it; `None`: another message, or one without.
    fn first_address(&self, answer: &[u8]) -> Option<IpAddr> {
        if answer.get(..2) != self.bytes.get(..2) || answer.get(6..8)? == [0, 0] {
            return None;
        }
        let data = answer.get(self.end + RECORD_BYTES..)?;
        Some(match self.family {
            Family::V4 => IpAddr::from(*data.first_chunk::<4>()?),
            Family::V6 => IpAddr::from(*data.first_chunk::<16>()?),
        })
    }
}

/// A socket that asks one server.
pub(crate) fn asking(server: SocketAddr) -> io::Result<UdpSocket> {
    let wildcard: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((wildcard, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(server)?;
    Ok(socket)
}

/// Asks, and gives the first address and the time that it took; the receive is the last system
/// call.
pub(crate) fn ask(socket: &UdpSocket, query: &Query) -> io::Result<(Option<IpAddr>, Duration)> {
    let mut answer = [0; 2_048];
    let begun = Instant::now();
    socket.send(&query.bytes)?;
    loop {
        let length = socket.recv(&mut answer)?;
        let answer = answer.get(..length).unwrap_or_default();
        if answer.get(..2) == query.bytes.get(..2) {
            return Ok((query.first_address(answer), begun.elapsed()));
        }
    }
}

/// What came of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// There is a connection.
    Connected {
        /// How long it took.
        took: Duration,
        /// How many SYNs were sent again.
        repeated: u32,
    },
    /// The call failed.
    Refused(Errno),
    /// Nothing in time.
    Silent,
}

/// A stream socket, ready to connect: a connection of it is cut off, so that no port is held.
pub(crate) fn stream(family: Family) -> io::Result<OwnedFd> {
    let family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let stream = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&stream, sockopt::SendTimeout, &TimeVal::new(PATIENCE_SECS, 0))?;
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    Ok(stream)
}

/// Connects; the connect is the first system call.
pub(crate) fn attempt(stream: &OwnedFd, to: SocketAddr) -> io::Result<Attempt> {
    let to = SockaddrStorage::from(to);
    let begun = Instant::now();
    match connect(stream.as_raw_fd(), &to) {
        Ok(()) => {
            let took = begun.elapsed();
            Ok(Attempt::Connected { took, repeated: repeated(stream)? })
        }
        // The time of SO_SNDTIMEO is over (connect(2)).
        Err(Errno::EINPROGRESS | Errno::ETIMEDOUT) => Ok(Attempt::Silent),
        Err(errno) => Ok(Attempt::Refused(errno)),
    }
}

/// Segments of a connection that the kernel has sent again. An older kernel knows less of a connection than the
/// structure has room for, and says how much it wrote.
pub(crate) fn repeated(stream: &impl AsRawFd) -> io::Result<u32> {
    // SAFETY: integers, for which zeros are a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).unwrap_or(0);
    // SAFETY: `info` has room for `length` bytes.
    let outcome = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    Errno::result(outcome)?;
    Ok(info.tcpi_total_retrans)
}
