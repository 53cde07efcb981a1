//! Who sends, whatever the kind of traffic.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    allowlist::{Allowlist, PORT},
    bulk::Bulk,
    clock,
    connections::Connections,
    firsts::Firsts,
    flood::Flood,
    lookups::{self, Lookups},
    scenario::Shape,
};
use crate::{Insider, Rig, probe::Family, service};

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// As many destinations as the shortest list has, so that longer ones can be compared with it.
const FEW: usize = 10;
/// Destinations of connections: more would tell no more, and have to be told to another process.
const CONNECTED_TO: usize = 64;

/// What came of a sample: units of [`Shape::unit`], and how long their sender was busy with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) units: u32,
    pub(super) time: Duration,
}

/// One that sends; each has sockets of its own.
pub(super) enum Sender {
    Flood(Flood),
    Firsts(Firsts),
    Connections(Connections),
    Bulk(Box<Bulk>),
    Lookups(Lookups),
}

impl Sender {
    /// Makes the sockets, and sends what goes before the first sample.
    pub(super) fn make(shape: Shape, rig: &Rig, list: &Allowlist) -> anyhow::Result<Self> {
        let insider = rig.insider(&rig.client)?;
        let any: IpAddr = match list.family() {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let destinations = list.destinations();
        let middle = *destinations.get(destinations.len() / 2).context("find a destination")?;
        Ok(match shape {
            Shape::Connected => {
                let near = datagrams(&insider, any)?;
                greet(&near, &far(rig, middle)?, middle)?;
                Self::Flood(Flood::connected(near))
            }
            Shape::Few => {
                let step = destinations.len().div_ceil(FEW).max(1);
                let few: Vec<_> = destinations.into_iter().step_by(step).collect();
                Self::Flood(Flood::unconnected(datagrams(&insider, any)?, &few))
            }
            Shape::Many => {
                Self::Flood(Flood::unconnected(datagrams(&insider, any)?, &destinations))
            }
            Shape::FirstPackets => Self::Firsts(Firsts::new(insider, any, destinations)?),
            Shape::Connections => {
                let some = destinations.into_iter().take(CONNECTED_TO).collect();
                let any = SocketAddr::new(any, PORT);
                Self::Connections(Connections::begin(rig, insider, any, some)?)
            }
            Shape::Bulk => Self::Bulk(Box::new(Bulk::begin(rig, &insider, middle)?)),
            Shape::Lookups | Shape::NewNames => {
                let server = lookups::server(list.resolver());
                let (near, far) = (datagrams(&insider, any)?, far(rig, server)?);
                near.connect(server).context("connect")?;
                Self::Lookups(Lookups::begin(near, far, shape == Shape::NewNames)?)
            }
        })
    }

    fn send(&mut self, units: u32) -> anyhow::Result<Spent> {
        match self {
            Self::Flood(flood) => flood.send(units),
            Self::Firsts(firsts) => firsts.send(units),
            Self::Connections(connections) => connections.send(units),
            Self::Bulk(bulk) => bulk.send(units),
            Self::Lookups(lookups) => lookups.send(units),
        }
    }
}

/// A sample of each at the same time, each on a processor of its own.
pub(super) fn send_all(senders: &mut [Sender], units: u32) -> anyhow::Result<Vec<Spent>> {
    thread::scope(|scope| {
        let threads: Vec<_> = senders
            .iter_mut()
            .enumerate()
            .map(|(number, sender)| {
                scope.spawn(move || {
                    clock::pin(number)?;
                    sender.send(units)
                })
            })
            .collect();
        let join = |it: thread::ScopedJoinHandle<'_, _>| {
            it.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
        };
        threads.into_iter().map(join).collect()
    })
}

pub(super) fn datagrams(insider: &Insider, own: IpAddr) -> anyhow::Result<UdpSocket> {
    let socket = insider.datagrams(SocketAddr::new(own, 0))?;
    service::set_patience(&socket, PATIENCE)?;
    Ok(socket)
}

fn far(rig: &Rig, at: SocketAddr) -> anyhow::Result<UdpSocket> {
    let far = rig.world.run(|| UdpSocket::bind(at).with_context(|| format!("bind {at}")))?;
    service::set_patience(&far, PATIENCE)?;
    Ok(far)
}

/// A datagram each way, so that the flow is established for whoever tracks it.
fn greet(near: &UdpSocket, far: &UdpSocket, to: SocketAddr) -> anyhow::Result<()> {
    near.connect(to).context("connect")?;
    near.send(b"there").context("send")?;
    let mut bytes = [0; 16];
    let (_, from) = far.recv_from(&mut bytes).context("receive at the far end")?;
    far.send_to(b"back", from).context("answer")?;
    near.recv(&mut bytes).context("receive the answer").map(drop)
}
