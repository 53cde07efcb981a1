//! Ends the sockets whose connection egress refuses, so that whoever waits for one hears at once.
//!
//! The kernel itself only sends the SYN again. What is ended is a socket of the agent's own network
//! namespace that is still connecting; `connect` then says ECONNABORTED. A kernel without
//! `CONFIG_INET_DIAG_DESTROY` refuses, and whoever connects waits.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rtnetlink::sys::{Socket, SocketAddr as NetlinkAddress, protocols::NETLINK_SOCK_DIAG};

use crate::datapath::refused::{RefusedConnection, RefusedConnections};

/// How often the reader looks whether it is still wanted.
const PATIENCE: Duration = Duration::from_secs(1);

/// Numbers of the kernel (include/uapi/linux/netlink.h, `sock_diag.h`, `inet_diag.h`, 6.18).
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `TCP_SYN_SENT` as a bit.
const SYN_SENT: u32 = 1 << 2;
/// A cookie that stands for every one (`INET_DIAG_NOCOOKIE`).
const NO_COOKIE: [u8; 8] = [0xff; 8];
const MESSAGE_BYTES: u32 = 72;

/// The thread that ends them, until it is dropped.
pub(super) struct Refusal(Arc<AtomicBool>);

impl Refusal {
    /// Starts it.
    pub(super) fn start(mut ring: RefusedConnections) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        let read = move || {
            let mut is_told = false;
            while !asked.load(Ordering::Relaxed) {
                ring.wait(PATIENCE);
                while let Some(connection) = ring.take() {
                    match end(&connection) {
                        Ok(()) => tracing::debug!(?connection, "ended a refused connection"),
                        // It has ended by itself.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) if !is_told => {
                            is_told = true;
                            tracing::warn!(
                                %error,
                                "this kernel ends no sockets: a refused connection that may be \
                                 translated is noticed by its time-out only"
                            );
                        }
                        Err(_) => {}
                    }
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("refusal".to_owned()).spawn(read) {
            tracing::error!(%error, "start the thread that ends refused connections");
        }
        Self(is_over)
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends the socket of a connection.
fn end(connection: &RefusedConnection) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddress::new(0, 0))?;
    socket.send(&request(connection), 0)?;
    let mut answer = Vec::with_capacity(1_024);
    socket.recv(&mut answer, 0)?;
    // | header 16 | error, negative, 4 |
    let error = answer.get(16..20).and_then(|bytes| bytes.first_chunk()).copied();
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `nlmsghdr`, then `inet_diag_req_v2`.
fn request(connection: &RefusedConnection) -> Vec<u8> {
    let family = if connection.is_v6 { AF_INET6 } else { AF_INET };
    let mut bytes = Vec::new();
    bytes.extend(MESSAGE_BYTES.to_ne_bytes());
    bytes.extend(SOCK_DESTROY.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    // Sequence and port.
    bytes.extend([0; 8]);
    bytes.extend([family, IPPROTO_TCP, 0, 0]);
    bytes.extend(SYN_SENT.to_ne_bytes());
    bytes.extend(connection.own.port().to_be_bytes());
    bytes.extend(connection.peer.port().to_be_bytes());
    for address in [connection.own, connection.peer] {
        bytes.extend(words(address, connection.is_v6));
    }
    // Any device.
    bytes.extend([0; 4]);
    bytes.extend(NO_COOKIE);
    bytes
}

/// An address in four words, as its socket's family has it.
fn words(address: SocketAddr, is_v6: bool) -> [u8; 16] {
    match address.ip() {
        IpAddr::V4(v4) if is_v6 => v4.to_ipv6_mapped().octets(),
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_kernels_layout() {
        let connection = RefusedConnection {
            own: "192.0.2.2:40000".parse().unwrap(),
            peer: "203.0.113.9:443".parse().unwrap(),
            is_v6: false,
        };

        let bytes = request(&connection);

        assert_eq!(bytes.len(), MESSAGE_BYTES as usize);
        assert_eq!(bytes[24..28], [156, 64, 1, 187], "ports");
        assert_eq!((&bytes[28..32], &bytes[44..48]), (&[192, 0, 2, 2][..], &[203, 0, 113, 9][..]));
        let mapped = request(&RefusedConnection { is_v6: true, ..connection });
        assert_eq!(mapped[16], 10);
        assert_eq!(mapped[38..44], [0xff, 0xff, 192, 0, 2, 2]);
    }
}
