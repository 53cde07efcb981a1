//! Connections that are older than the hooks, written down as if their beginning had been seen.

use std::net::SocketAddr;

use enforcer_common::{
    abi::map,
    flow::{FlowEntry, FlowKey, lifetime_ns, opened},
    packet::protocol,
};

use super::{BootTime, Datapath, DatapathError};

impl Datapath {
    /// Has what this node sends on these connections, this side first, pass as replies.
    pub(super) fn seed(
        &mut self,
        accepted: &[(SocketAddr, SocketAddr)],
    ) -> Result<(), DatapathError> {
        let entry = FlowEntry {
            expires_ns: BootTime::now().0.saturating_add(lifetime_ns(protocol::TCP)),
            generation: 0,
            opened: opened::INBOUND,
            by: 0,
        };
        for (own, peer) in accepted {
            let key = FlowKey {
                own: own.ip().into(),
                peer: peer.ip().into(),
                own_port_be: own.port().to_be_bytes(),
                peer_port_be: peer.port().to_be_bytes(),
                protocol: u32::from(protocol::TCP),
            };
            self.maps
                .flows
                .insert(key, entry, 0)
                .map_err(DatapathError::map("write", map::FLOWS))?;
        }
        Ok(())
    }
}
