//! Connections that are older than the hooks: those that somebody opened to this node are replies.
//!
//! Of a connection the table of sockets does not tell who opened it. One whose port on this side is
//! listened on was accepted, for all that can be known; whoever wants to be taken for accepted has
//! to listen before the agent starts, and is cut with the connection's end.

use std::net::{IpAddr, SocketAddr};

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};

/// A connection, as (this side, other side).
pub(super) type Connection = (SocketAddr, SocketAddr);

/// The accepted connections of this process's network namespace.
pub(super) fn accepted() -> Vec<Connection> {
    let mut sockets = Vec::new();
    for (family, table) in [("IPv4", tcp()), ("IPv6", tcp6())] {
        match table {
            Ok(entries) => sockets.extend(entries.iter().map(Socket::of)),
            Err(error) => {
                tracing::warn!(
                    %error, family,
                    "read the table of sockets: connections that were accepted before are judged \
                     by the policy"
                );
            }
        }
    }
    accepted_of(&sockets)
}

/// What is needed of an entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    own: SocketAddr,
    peer: SocketAddr,
    is_listening: bool,
    is_connected: bool,
}

impl Socket {
    fn of(entry: &TcpNetEntry) -> Self {
        Self {
            own: canonical(entry.local_address),
            peer: canonical(entry.remote_address),
            is_listening: entry.state == TcpState::Listen,
            // Whatever follows a SYN that has come.
            is_connected: !matches!(
                entry.state,
                TcpState::Listen | TcpState::SynSent | TcpState::Close
            ),
        }
    }
}

/// IPv4 in IPv6 is IPv4 on the wire.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn accepted_of(sockets: &[Socket]) -> Vec<Connection> {
    let listeners: Vec<SocketAddr> =
        sockets.iter().filter(|socket| socket.is_listening).map(|socket| socket.own).collect();
    let is_listened_on = |own: SocketAddr| {
        listeners.iter().any(|listener| {
            listener.port() == own.port() && (takes_all(listener.ip()) || listener.ip() == own.ip())
        })
    };
    let connected = sockets.iter().filter(|socket| socket.is_connected);
    let accepted = connected.filter(|socket| is_listened_on(socket.own));
    accepted.map(|socket| (socket.own, socket.peer)).collect()
}

/// Whether a listener has every address; one of IPv6 may have those of IPv4, too.
fn takes_all(address: IpAddr) -> bool {
    address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(own: &str, peer: &str, is_listening: bool) -> Socket {
        let (own, peer) = (own.parse().unwrap(), peer.parse().unwrap());
        Socket { own, peer, is_listening, is_connected: !is_listening }
    }

    #[test]
    fn what_is_listened_on_was_accepted() {
        let sockets = [
            socket("0.0.0.0:22", "0.0.0.0:0", true),
            socket("[::]:443", "[::]:0", true),
            socket("192.0.2.2:80", "0.0.0.0:0", true),
            socket("192.0.2.2:22", "203.0.113.1:50000", false),
            socket("192.0.2.2:443", "203.0.113.1:50001", false),
            socket("192.0.2.2:80", "203.0.113.1:50002", false),
            socket("192.0.2.3:80", "203.0.113.1:50003", false),
            socket("192.0.2.2:40000", "203.0.113.1:22", false),
        ];

        let peers: Vec<u16> = accepted_of(&sockets).iter().map(|(_, peer)| peer.port()).collect();

        assert_eq!(peers, [50_000, 50_001, 50_002]);
    }
}
