//! What came of a race, for people.

use std::fmt;

use super::{Outcome, Report};

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let enforced = [("agent running", &self.running), ("agent stopped", &self.stopped)];
        stage(f, "without enforcer", &self.control)?;
        for ((label, report), learned) in enforced.into_iter().zip(self.learned) {
            stage(f, label, report)?;
            writeln!(
                f,
                "    addresses that were not there before: {learned}; open before their names were \
                 asked for: {} of {}; open for a name that no rule covers: {} of {}",
                report.open_before,
                report.tried_before,
                report.open_neighbours,
                report.tried_neighbours
            )?;
        }
        for (label, report) in ["without enforcer", "with enforcer"].into_iter().zip(&self.rates) {
            let Report { asked, unanswered, lookups, took, .. } = report;
            if *asked > 0 {
                let rate =
                    f64::from(u32::try_from(*asked).unwrap_or(u32::MAX)) / took.as_secs_f64();
                writeln!(
                    f,
                    "rate, {label}: {asked} questions in {took:.1?} ({rate:.0} a second), \
                     unanswered {unanswered}, lookup {lookups}"
                )?;
            }
        }
        let kinds = ["cut answers", "answers of over 1,232 bytes"];
        for (label, Report { asked, connected, connects, .. }) in kinds.into_iter().zip(&self.waits)
        {
            writeln!(
                f,
                "handed to the agent, {label}: {connected} of {asked} reached, from the answer to \
                 the connection {connects}"
            )?;
        }
        Ok(())
    }
}

fn stage(f: &mut fmt::Formatter<'_>, label: &str, report: &Report) -> fmt::Result {
    let Report { asked, connected, refused, silent, repeated, .. } = report;
    writeln!(
        f,
        "race, {label}: {asked} names, {connected} connected, refused: {refused}, silent: \
         {silent}, duplicate SYN: {repeated}, in {:.1?}\n    lookup {}; connect {}",
        report.took, report.lookups, report.connects
    )
}
