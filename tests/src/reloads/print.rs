//! What came of reloads, for people, and what of it must not be.

use std::{fmt, time::Duration};

use super::Outcome;

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.control.faults_of_control();
        faults.extend(self.load.faults());
        if self.refused != self.broken {
            let (broken, refused) = (self.broken, self.refused);
            faults.push(format!("{refused} of {broken} files that are no policy were refused"));
        }
        if self.wrong != 0 {
            let (wrong, looks) = (self.wrong, self.looks);
            faults.push(format!(
                "{wrong} of {looks} datagrams were judged by another policy than the one in force"
            ));
        }
        if self.known.0 != self.known.1 {
            let (known, all) = self.known;
            faults.push(format!("{known} of {all} addresses of names are known at the end"));
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.in_force.values().sum();
        writeln!(f, "reloads: {all} policies from seed {} in {:.1?}", self.seed, self.took)?;
        for (manner, count) in &self.in_force {
            writeln!(f, "    {manner}: {count}")?;
        }
        for (how, times) in ["by a signal", "by the file alone"].iter().zip(&self.times) {
            let middle = times.get(times.len() / 2).copied().unwrap_or_default();
            let most = times.last().copied().unwrap_or(Duration::ZERO);
            writeln!(
                f,
                "{} told {how} were in force after {middle:.1?} in the median, {most:.1?} at most",
                times.len()
            )?;
        }
        writeln!(f, "empty or half written: {}, refused: {}", self.broken, self.refused)?;
        writeln!(f, "destinations in turn: {} looks, {} wrong", self.looks, self.wrong)?;
        let [before, after] = self.memory.map(|bytes| bytes >> 10);
        writeln!(f, "the agent's memory: {before} KiB before, {after} KiB afterwards")?;
        writeln!(f, "addresses of names: {} of {} known at the end", self.known.0, self.known.1)?;
        write!(f, "without the enforcer\n{}under the policies\n{}", self.control, self.load)
    }
}
