//! What became of malformed packets, for people.

use std::fmt;

use super::{Judged, kernel::TIMES};

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.outcomes.values().sum();
        let allowed: u64 =
            self.outcomes.iter().filter(|(outcome, _)| outcome.is_passed()).map(|it| it.1).sum();
        let per_second =
            f64::from(u32::try_from(total).unwrap_or(u32::MAX)) / self.took.as_secs_f64();
        writeln!(
            f,
            "malformed: {total} packets from seed {} in {:.1?} ({per_second:.0} a second), each \
             judged {TIMES} times",
            self.seed, self.took
        )?;
        writeln!(f, "changed for the worse: {}", self.mutated)?;
        writeln!(f, "allowed: {allowed}, dropped: {}", total - allowed)?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "    {outcome}: {count}")?;
        }
        writeln!(f, "later fragments that passed behind their first: {}", self.followed)?;
        let not_run: u64 = self.not_run.values().sum();
        write!(f, "no packet to the kernel, and not run: {not_run}")?;
        if let (Some((least, _)), Some((most, _))) =
            (self.not_run.first_key_value(), self.not_run.last_key_value())
        {
            write!(f, " (of {least} to {most} bytes)")?;
        }
        writeln!(f)?;
        writeln!(f, "judged otherwise than by a plain reading: {}", self.differences.len())
    }
}
