//! Connections that egress refuses while somebody waits for them.

use std::{net::SocketAddr, time::Duration};

use aya::maps::{MapData, RingBuf};
use enforcer_common::{abi::map, connect::RefusedSocket};

use super::{DatapathError, handover::wait_for, maps::Opener, pin::Instance};

/// The ring that they come by.
pub struct RefusedConnections(RingBuf<MapData>);

/// A connection as its socket knows it, before all translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedConnection {
    /// This side.
    pub own: SocketAddr,
    /// The other, as asked.
    pub peer: SocketAddr,
    /// Whether the socket is of IPv6, which may have addresses of IPv4.
    pub is_v6: bool,
}

impl RefusedConnections {
    pub(super) fn open(instance: &Instance) -> Result<Self, DatapathError> {
        Opener { instance, name: map::REFUSED_SOCKETS }.ring().map(Self)
    }

    /// Waits until there is one, for this long at the most.
    pub fn wait(&self, patience: Duration) {
        wait_for(&self.0, patience);
    }

    /// The next one; `None` where there is none.
    pub fn take(&mut self) -> Option<RefusedConnection> {
        loop {
            let item = self.0.next()?;
            if let Some(socket) = RefusedSocket::from_bytes(&item) {
                return Some(RefusedConnection {
                    own: SocketAddr::new(socket.own.into(), u16::from_be_bytes(socket.own_port_be)),
                    peer: SocketAddr::new(
                        socket.peer.into(),
                        u16::from_be_bytes(socket.peer_port_be),
                    ),
                    is_v6: socket.is_v6 == 1,
                });
            }
        }
    }
}
