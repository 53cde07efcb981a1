//! What clients report: counts, and times as two quantiles.

use std::{fmt, ops::AddAssign, time::Duration};

use serde::{Deserialize, Serialize};

/// Times, in nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Times(Vec<u64>);

impl Times {
    /// Takes one into account.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand do not exceed; zero where there is none.
    pub fn quantile(&self, per_mille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * per_mille).div_ceil(1_000).saturating_sub(1);
        Duration::from_nanos(sorted.get(index).copied().unwrap_or(0))
    }
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1?}, p99 {:.1?}", self.quantile(500), self.quantile(990))
    }
}

/// What came of asking and connecting.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Names asked for.
    pub asked: u64,
    /// Those without an answer, or with a wrong one.
    pub unanswered: u64,
    /// Connections that came about.
    pub connected: u64,
    /// Connects that failed.
    pub refused: u64,
    /// Connects that nobody answered.
    pub silent: u64,
    /// SYNs that were sent again.
    pub repeated: u64,
    /// Addresses tried before their names were asked for.
    pub tried_before: u64,
    /// Those that were open already.
    pub open_before: u64,
    /// Addresses of names that no rule covers.
    pub tried_neighbours: u64,
    /// Those that were open.
    pub open_neighbours: u64,
    /// From each query to its answer.
    pub lookups: Times,
    /// From each answer to the connection.
    pub connects: Times,
    /// From first to last.
    pub took: Duration,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.unanswered += other.unanswered;
        self.connected += other.connected;
        self.refused += other.refused;
        self.silent += other.silent;
        self.repeated += other.repeated;
        self.tried_before += other.tried_before;
        self.open_before += other.open_before;
        self.tried_neighbours += other.tried_neighbours;
        self.open_neighbours += other.open_neighbours;
        self.lookups += other.lookups;
        self.connects += other.connects;
        self.took = self.took.max(other.took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let mut times = Times::default();
        (1..=200).for_each(|number| times.add(Duration::from_nanos(number)));

        assert_eq!(times.quantile(500), Duration::from_nanos(100));
        assert_eq!(times.quantile(990), Duration::from_nanos(198));
        assert_eq!(Times::default().quantile(990), Duration::ZERO);
    }
}
