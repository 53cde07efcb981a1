//! What came of names while the agent was stopped, for people, and what of it must not be.

use std::fmt;

use super::Outcome;

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.control.faults_of_control();
        faults.extend(self.load.faults());
        for ((usage, fate), count) in self.fates.iter().filter(|((_, fate), _)| !fate.is_right()) {
            faults.push(format!("addresses {usage}: {count} {fate}"));
        }
        if !self.is_well {
            faults.push("the agent is not well when it goes on".to_owned());
        }
        faults
    }

    /// Names that were asked for.
    pub fn names(&self) -> u64 {
        self.fates.values().sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        writeln!(f, "stopped: {names} names while the agent was stopped for {:.1?}", self.took)?;
        for ((usage, fate), count) in &self.fates {
            writeln!(f, "    {usage}: {count} {fate}")?;
        }
        let middle = self.delays.get(self.delays.len() / 2).copied().unwrap_or_default();
        let most = self.delays.last().copied().unwrap_or_default();
        writeln!(
            f,
            "refused {middle:.1?} after the end of grace in the median, {most:.1?} at most; tried \
             every 20 ms"
        )?;
        write!(f, "without the enforcer\n{}under the policy\n{}", self.control, self.load)
    }
}
