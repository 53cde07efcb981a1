//! What came of taking enforcement apart, for people, and what of it must not be.

use std::{fmt, time::Duration};

use super::{Act, Outcome, Round, Trial};

/// How well times of losses are known.
const BLUR: Duration = Duration::from_millis(100);

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let rounds = self.rounds.iter();
        rounds.flat_map(|round| round.faults(self.within)).collect()
    }
}

impl Round {
    /// For how long things were away to which something was done.
    fn away(&self, act: Act) -> Vec<Duration> {
        let trials = self.trials.iter().filter(|trial| trial.act == act);
        trials.map(|trial| trial.away).collect()
    }

    /// What is allowed goes on, whatever is taken away.
    fn faults_of_load(&self) -> Vec<String> {
        let mut lossy = self.trials.iter().filter(|trial| trial.is_lossy()).peekable();
        if lossy.peek().is_none() {
            return self.load.faults_of_allowed();
        }
        let lossy: Vec<_> = lossy.collect();
        let lost: u64 = self
            .load
            .lost_at()
            .filter(|(at, _)| !lossy.iter().any(|trial| trial.explains(*at)))
            .map(|(_, number)| number)
            .sum();
        let allowed = self.load.lanes.iter().filter(|(lane, _)| lane.is_allowed());
        let refused: u64 = allowed.map(|(_, count)| count.refused).sum();
        let streams = &self.load.streams;
        let numbers = [
            ("allowed datagrams lost", lost),
            ("allowed datagrams refused", refused),
            ("connections that failed", streams.tried - streams.made),
            ("connections that ended", streams.ended),
            ("datagrams that the far side had no room for", self.load.overflown),
        ];
        let wrong = numbers.iter().filter(|(_, number)| *number != 0);
        wrong.map(|(what, number)| format!("{what}: {number}, not 0")).collect()
    }

    fn faults(&self, within: Duration) -> Vec<String> {
        let mut faults = self.control.faults_of_control();
        for trial in &self.trials {
            let Trial { act, told_as, away, .. } = trial;
            if *away > within {
                faults.push(format!("{act}, {told_as}: back after {away:.2?}, not {within:?}"));
            }
            faults.extend(trial.errors.iter().map(|line| format!("{act}, {told_as}: {line}")));
        }
        let count = self.trials.len() as u64;
        if self.reported < count {
            let reported = self.reported;
            faults.push(format!("enforcer_restored_total has risen by {reported}, not {count}"));
        }
        if self.known.0 != self.known.1 {
            let (known, all) = self.known;
            faults.push(format!("{known} of {all} addresses of names are known at the end"));
        }
        faults.extend(self.faults_of_load());
        faults.iter().map(|fault| format!("{}: {fault}", self.mode)).collect()
    }
}

impl Trial {
    /// Whether something happened while it was away, as far as times are known.
    fn explains(&self, at: Duration) -> bool {
        (self.at.saturating_sub(BLUR)..self.at + self.away + BLUR).contains(&at)
    }

    /// Whether allowed packets are lost by it: a device is stopped for a moment when its queueing
    /// discipline goes or comes, that of ingress as well (`qdisc_graft`, `net/sched/sch_api.c`, 6.18).
    fn is_lossy(&self) -> bool {
        self.act == Act::RemoveQdisc
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for round in &self.rounds {
            let count = round.trials.len();
            writeln!(f, "tamper, {}: {count} taken away, by seed {}", round.mode, self.seed)?;
            for (act, times) in Act::ALL.iter().map(|act| (act, round.away(*act))) {
                if !times.is_empty() {
                    writeln!(f, "    {act}: {} times, back {}", times.len(), shown(times))?;
                }
            }
            let all = round.trials.iter().map(|trial| trial.away).collect();
            writeln!(f, "all were back {}", shown(all))?;
            writeln!(f, "enforcer_restored_total has risen by {}", round.reported)?;
            writeln!(f, "forbidden packets that left meanwhile: {}", round.load.leaked())?;
            write!(f, "{}", round.load)?;
            let has_lost = |trial: &&Trial| round.load.lost_at().any(|(at, _)| trial.explains(at));
            for trial in round.trials.iter().filter(has_lost) {
                let Trial { act, told_as, at, away, .. } = trial;
                writeln!(f, "lost while {act}, {told_as}: from {at:.3?} for {away:.3?}")?;
            }
        }
        Ok(())
    }
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    format!("after {middle:.2?} in the median, {most:.2?} at most")
}
