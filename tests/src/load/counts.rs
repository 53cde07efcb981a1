//! What became of a load, and what of that must not be.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{
    arrivals::Numbers,
    lane::Lane,
    sender::{Sent, TIMED},
};

/// Times that are shown.
const SHOWN: usize = 6;

/// A load's counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Datagrams.
    pub lanes: BTreeMap<Lane, LaneCount>,
    /// Connections.
    pub streams: StreamCount,
    /// Datagrams that arrived and were dropped by the far side itself.
    pub overflown: u64,
}

/// What became of a lane's datagrams.
#[derive(Debug, Default)]
pub struct LaneCount {
    /// Those that were to be sent.
    pub tried: u64,
    /// Those that the kernel took.
    pub taken: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Those that failed otherwise.
    pub failed: u64,
    /// Those that arrived.
    pub arrived: u64,
    /// About when those that the kernel took and that did not arrive were sent, and how many.
    pub lost_at: BTreeMap<Duration, u64>,
    /// From when to when some were refused.
    pub refused_at: Vec<(Duration, Duration)>,
}

/// What became of connections.
#[derive(Debug, Default, Clone, Copy)]
pub struct StreamCount {
    /// Those that were to be made.
    pub tried: u64,
    /// Those that were made.
    pub made: u64,
    /// SYNs that were sent again.
    pub repeated: u64,
    /// Exchanges on those that went on all the while.
    pub exchanges: u64,
    /// Those of them that ended.
    pub ended: u64,
    /// Segments that were sent again on them.
    pub resent: u64,
}

impl LaneCount {
    pub(super) fn of(sent: &Sent, arrived: &Numbers) -> Self {
        let times = sent.times();
        let mut lost_at = BTreeMap::new();
        for number in (0..sent.taken()).filter(|number| !arrived.contains(*number)) {
            let index = usize::try_from(number / TIMED).unwrap_or(usize::MAX);
            let time = times.sent.get(index).copied().unwrap_or_default();
            *lost_at.entry(time).or_default() += 1;
        }
        Self {
            tried: sent.tried(),
            taken: sent.taken(),
            refused: sent.refused(),
            failed: sent.failed(),
            arrived: arrived.count(),
            lost_at,
            refused_at: times.refused,
        }
    }

    /// Those that the kernel took and that did not arrive.
    pub fn lost(&self) -> u64 {
        self.taken.saturating_sub(self.arrived)
    }
}

impl Counts {
    /// Allowed datagrams that were lost and about when, since the load began.
    pub fn lost_at(&self) -> impl Iterator<Item = (Duration, u64)> {
        let allowed = self.lanes.iter().filter(|(lane, _)| lane.is_allowed());
        allowed.flat_map(|(_, count)| count.lost_at.iter().map(|(at, number)| (*at, *number)))
    }

    /// Forbidden datagrams that arrived.
    pub fn leaked(&self) -> u64 {
        let forbidden = self.lanes.iter().filter(|(lane, _)| !lane.is_allowed());
        forbidden.map(|(_, count)| count.arrived).sum()
    }

    /// What is not as it must be of what is allowed.
    pub fn faults_of_allowed(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut none = |what: &str, number: u64| {
            if number != 0 {
                faults.push(format!("{what}: {number}, not 0"));
            }
        };
        for (lane, count) in self.lanes.iter().filter(|(lane, _)| lane.is_allowed()) {
            none(&format!("datagrams lost, {lane}"), count.lost());
            none(&format!("datagrams refused, {lane}"), count.refused);
            none(&format!("datagrams failed, {lane}"), count.failed);
        }
        let streams = &self.streams;
        none("connections that failed", streams.tried - streams.made);
        none("SYNs sent again", streams.repeated);
        none("connections that ended", streams.ended);
        none("segments sent again", streams.resent);
        none("datagrams that the far side had no room for", self.overflown);
        for (lane, count) in &self.lanes {
            if count.tried == 0 {
                faults.push(format!("{lane}: nothing was sent"));
            }
        }
        if streams.tried == 0 || streams.exchanges == 0 {
            faults.push("no connection was tried".to_owned());
        }
        faults
    }

    /// What is not as it must be under a policy.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_of_allowed();
        for (lane, count) in self.lanes.iter().filter(|(lane, _)| !lane.is_allowed()) {
            if count.arrived != 0 {
                faults.push(format!("{lane}: {} arrived, not 0", count.arrived));
            }
        }
        faults
    }

    /// What is not as it must be where nothing is enforced.
    pub fn faults_of_control(&self) -> Vec<String> {
        let mut faults = self.faults_of_allowed();
        for (lane, count) in self.lanes.iter().filter(|(lane, _)| !lane.is_allowed()) {
            if count.arrived != count.tried {
                let (arrived, tried) = (count.arrived, count.tried);
                faults.push(format!("{lane}: {arrived} of {tried} arrived"));
            }
        }
        faults.iter().map(|fault| format!("without the enforcer: {fault}")).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (lane, count) in &self.lanes {
            let LaneCount { tried, refused, failed, arrived, .. } = count;
            writeln!(
                f,
                "    {lane}: {tried} sent, {refused} refused, {failed} failed, {arrived} arrived, \
                 {} lost",
                count.lost()
            )?;
            for (time, number) in count.lost_at.iter().take(SHOWN).filter(|_| lane.is_allowed()) {
                writeln!(f, "        {number} lost about {time:.3?}")?;
            }
            if lane.is_allowed() && !count.refused_at.is_empty() {
                writeln!(f, "        refused {}", shown(&count.refused_at))?;
            }
        }
        let it = &self.streams;
        writeln!(
            f,
            "    connections: {} tried, {} made, {} SYNs sent again; of those that go on, {} \
             exchanges, {} ended, {} segments sent again",
            it.tried, it.made, it.repeated, it.exchanges, it.ended, it.resent
        )
    }
}

/// The first few spans.
fn shown(spans: &[(Duration, Duration)]) -> String {
    let first = spans.iter().take(SHOWN);
    let texts: Vec<_> = first.map(|(from, to)| format!("from {from:.3?} to {to:.3?}")).collect();
    let more = spans.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(", and {more} times more") } else { String::new() };
    format!("{}{more}", texts.join(", "))
}
