//! What came of forged messages, for people.

use std::fmt;

use super::{Forgery, Outcome};

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongId => "wrong id",
            Self::WrongPort => "wrong port",
            Self::WrongServer => "wrong server",
            Self::WrongQuestion => "wrong question",
            Self::WrongCase => "wrong case",
            Self::Unasked => "nobody asked",
            Self::Replay => "replayed",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.sent.values().sum();
        let per_second =
            f64::from(u32::try_from(total).unwrap_or(u32::MAX)) / self.took.as_secs_f64();
        writeln!(
            f,
            "spoof: {total} forged messages in {:.1?} ({per_second:.0} a second)",
            self.took
        )?;
        for (forgery, count) in &self.sent {
            writeln!(f, "    {forgery}: {count}")?;
        }
        writeln!(f, "addresses learned from them: {}", self.marked)?;
        writeln!(
            f,
            "attempts to connect to their addresses: {}, refused: {}",
            self.tries.asked, self.tries.refused
        )?;
        writeln!(f, "status counts, by reason:")?;
        for (reason, count) in &self.ignored {
            writeln!(f, "    {reason}: {count}")?;
        }
        writeln!(f, "    handed to the agent: {}", self.handed_over)?;
        writeln!(
            f,
            "messages without a defect from the same forger: {}, learned: {}",
            self.right_sent, self.right
        )?;
        writeln!(
            f,
            "real questions meanwhile: {}, addresses known: {}, connected: {}, refused: {}",
            self.real.asked,
            self.real_known,
            self.real.connected,
            self.real.refused + self.real.silent
        )
    }
}
