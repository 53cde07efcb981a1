//! The first packets of flows.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    flood::{BATCH, Flood},
    sender::{Spent, datagrams},
};
use crate::Insider;

/// Sends a datagram to each destination by a socket, and then by another one.
pub(super) struct Firsts {
    insider: Insider,
    own: IpAddr,
    destinations: Vec<SocketAddr>,
}

impl Firsts {
    /// Sends to as many of the destinations as are whole batches: no batch begins a flow twice.
    ///
    /// # Errors
    ///
    /// That there is not one batch of them.
    pub(super) fn new(
        insider: Insider,
        own: IpAddr,
        mut destinations: Vec<SocketAddr>,
    ) -> anyhow::Result<Self> {
        destinations.truncate(destinations.len() / BATCH * BATCH);
        anyhow::ensure!(!destinations.is_empty(), "begin flows: take a list of {BATCH} addresses");
        Ok(Self { insider, own, destinations })
    }

    /// Begins at least so many flows, in whole batches. The making of sockets is not in the time.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub(super) fn send(&mut self, packets: u32) -> anyhow::Result<Spent> {
        let mut spent = Spent { units: 0, time: Duration::ZERO };
        let each = u32::try_from(self.destinations.len())?;
        while spent.units < packets {
            let socket = datagrams(&self.insider, self.own)?;
            let mut flood = Flood::unconnected(socket, &self.destinations);
            let sent = flood.send(each.min(packets - spent.units))?;
            spent.units += sent.units;
            spent.time += sent.time;
        }
        Ok(spent)
    }
}
