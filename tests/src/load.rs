//! A steady load in the workload, and an exact count of what becomes of it.
//!
//! Numbered datagrams go to destinations that the policy allows, by address and by name, and to
//! some that nothing allows; a few connections are made beside them, and two go on all the while.
//! Each number is looked for where it should arrive: what the kernel took and did not deliver is
//! lost, what it refused is refused, and what it should have refused and delivered has leaked.
//!
//! The surprising thing: the sockets are the workload's and the threads are the test's own
//! ([`crate::insider`]), so what is sent and what arrives is counted in one process. Who counts
//! must not be what loses: the far side's buffers are large, and what they drop is counted, too.

mod arrivals;
mod counts;
mod lane;
mod pace;
mod sender;
mod stage;
mod streams;

use std::time::{Duration, Instant};

use clap::Args;

pub(crate) use self::stage::{Stage, policy};
use self::{arrivals::Arrivals, sender::Sender, streams::Streams};
pub use self::{
    counts::{Counts, LaneCount, StreamCount},
    lane::Lane,
};
use crate::{Rig, wait};

/// How long the last datagrams may be on their way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Datagrams of each kind that make a control run.
const CONTROL: u64 = 200;

/// How much is sent.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rate {
    /// Datagrams a second that the policy allows
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=200_000))]
    pub allowed: u32,
    /// Datagrams a second that it does not
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=200_000))]
    pub forbidden: u32,
}

/// A load under way, until it is finished or dropped.
pub(crate) struct Load<'a> {
    rig: &'a Rig,
    begun: Instant,
    senders: Vec<Sender>,
    streams: Streams,
    arrivals: Arrivals,
}

impl<'a> Load<'a> {
    /// Starts to send on some lanes.
    pub(crate) fn start(rig: &'a Rig, lanes: &[Lane], rate: Rate) -> anyhow::Result<Self> {
        let arrivals = Arrivals::start(&rig.world, lanes)?;
        let streams = Streams::start(rig, lanes)?;
        let of = |holds: fn(&Lane) -> bool| lanes.iter().copied().filter(holds).collect::<Vec<_>>();
        let mut senders = vec![
            Sender::start(rig, &of(|it| it.is_allowed()), rate.allowed)?,
            Sender::start(rig, &of(|it| !it.is_allowed() && *it != Lane::Frames), rate.forbidden)?,
        ];
        if lanes.contains(&Lane::Frames) {
            senders.push(Sender::start(rig, &[Lane::Frames], rate.forbidden.min(1_000))?);
        }
        Ok(Self { rig, begun: Instant::now(), senders, streams, arrivals })
    }

    /// For how long it has gone on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Allowed datagrams that have been refused so far.
    pub(crate) fn refused(&self) -> u64 {
        let lanes = self.senders.iter().flat_map(Sender::lanes);
        lanes.filter(|(lane, _)| lane.is_allowed()).map(|(_, sent)| sent.refused()).sum()
    }

    /// Waits until so many datagrams of each kind have been tried.
    pub(crate) fn wait_for(&self, tried: u64) -> anyhow::Result<()> {
        wait::until_true("datagrams to be sent", PATIENCE, || {
            self.senders.iter().flat_map(Sender::lanes).all(|(_, sent)| sent.tried() >= tried)
        })
    }

    /// Stops sending, waits for what is on its way, and counts.
    pub(crate) fn finish(self) -> anyhow::Result<Counts> {
        let streams = self.streams.finish()?;
        let sent: Vec<_> = self.senders.into_iter().flat_map(Sender::stop).collect();
        let has_arrived = || {
            let mut allowed = sent.iter().filter(|(lane, _)| lane.is_allowed());
            allowed.all(|(lane, sent)| self.arrivals.count(*lane) >= sent.taken())
        };
        // What has not arrived by then is lost, and counted as that.
        drop(wait::until_true("datagrams to arrive", PATIENCE, has_arrived));
        let mut counts = Counts { streams, ..Counts::default() };
        for (lane, sent) in sent {
            let arrived = self.arrivals.of(lane);
            counts.lanes.insert(lane, LaneCount::of(&sent, &arrived));
        }
        counts.overflown = arrivals::overflown(&self.rig.world)?;
        Ok(counts)
    }
}

/// A short load where nothing is enforced: all of it must arrive, or nothing shows anything.
pub(crate) fn control(rig: &Rig, lanes: &[Lane], rate: Rate) -> anyhow::Result<Counts> {
    let load = Load::start(rig, lanes, rate)?;
    load.wait_for(CONTROL)?;
    load.finish()
}
