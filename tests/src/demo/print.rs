//! What the demo shows.

use std::io::{self, Write as _};

use comfy_table::{Table, presets::NOTHING};

use super::trial::{Mode, Trial};
use crate::Agent;

/// Families of metrics that are shown, where they are not zero.
const METRICS: [&str; 6] = [
    "enforcer_mode",
    "enforcer_attached",
    "enforcer_packets_total",
    "enforcer_rule_packets_total",
    "enforcer_dropped_packets_total",
    "enforcer_policy_generation",
];

/// Writes to standard output; a reader that goes away ends the demo as any error does.
#[derive(Debug)]
pub(super) struct Printer(io::Stdout);

impl Default for Printer {
    fn default() -> Self {
        Self(io::stdout())
    }
}

impl Printer {
    pub(super) fn control(&mut self, trials: &[Trial]) -> io::Result<()> {
        let reached = trials.iter().filter(|it| it.faults(Mode::Control).is_empty()).count();
        writeln!(self.0, "without enforcer: {reached} of {} destinations reached", trials.len())?;
        self.faults(trials, Mode::Control)
    }

    pub(super) fn trials(&mut self, trials: &[Trial], mode: Mode) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["DESTINATION", "EXPECTED", "SEEN", "RULE OR REASON"]);
        for trial in trials {
            let expected = if mode.lets_through(trial.row.by) { "reached" } else { "refused" };
            let counted: Vec<_> = trial.counted_names().into_iter().collect();
            table.add_row([
                trial.row.to_string(),
                expected.to_owned(),
                trial.report.to_string(),
                counted.join(", "),
            ]);
        }
        let word = if mode == Mode::Audit { "in audit mode" } else { "enforcing" };
        writeln!(self.0, "\nwith enforcer, {word}:\n\n{}", trimmed(&table.to_string()))?;
        let well = trials.iter().filter(|trial| trial.faults(mode).is_empty()).count();
        writeln!(self.0, "\n{well} of {} rows as expected", trials.len())?;
        self.faults(trials, mode)
    }

    pub(super) fn status(&mut self, agent: &Agent<'_>) -> anyhow::Result<()> {
        let status = agent.cli(&["status"])?;
        let text = String::from_utf8_lossy(&status.stdout);
        writeln!(self.0, "\n$ enforcer status\n{}", text.trim_end())?;
        Ok(())
    }

    pub(super) fn metrics(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.0, "\n$ curl http://127.0.0.1:9469/metrics   (what is not zero, of a few)")?;
        let is_shown = |line: &&str| {
            let family = line.split(['{', ' ']).next().unwrap_or_default();
            METRICS.contains(&family) && !line.ends_with(" 0")
        };
        for line in text.lines().filter(is_shown) {
            writeln!(self.0, "{line}")?;
        }
        Ok(())
    }

    fn faults(&mut self, trials: &[Trial], mode: Mode) -> io::Result<()> {
        for trial in trials {
            for fault in trial.faults(mode) {
                writeln!(self.0, "  not as expected: {}: {fault}", trial.row)?;
            }
        }
        Ok(())
    }
}

/// Without blanks at the ends of lines, which a terminal would wrap.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
