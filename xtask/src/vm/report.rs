//! What a run of the matrix came to: a table, and one tally.

use std::{collections::BTreeSet, time::Duration};

use super::{machine::Ended, payload::Tier};
use crate::tally::Tally;

/// Half of what the kernel's verifier gives up at.
const MOST_INSTRUCTIONS: u32 = 650_000;

/// One kernel's row.
pub(super) struct Row {
    pub(super) release: String,
    pub(super) took: Duration,
    /// How many tests of each tier passed, of how many.
    pub(super) tiers: Vec<(Tier, usize, usize)>,
    pub(super) instructions: Vec<(String, u32)>,
    /// What went wrong, beside what tests say themselves.
    pub(super) faults: Vec<String>,
}

impl Row {
    /// Judges a machine by what it was asked to run: a test that was not heard of has failed.
    pub(super) fn judge(release: &str, ended: &Ended, asked: &[(Tier, Vec<&str>)]) -> Self {
        let mut faults: Vec<String> = ended.fault.iter().cloned().collect();
        let mut tiers = Vec::new();
        for (tier, tests) in asked {
            let label = tier.to_string();
            let failed: Vec<&str> =
                tests.iter().copied().filter(|test| !ended.said.has_passed(&label, test)).collect();
            if !ended.said.has_ended(&label) {
                faults.push(format!("the tests of tier {label} did not come to their end"));
            }
            if !failed.is_empty() {
                faults.push(format!("not passed: {}", failed.join(", ")));
            }
            tiers.push((*tier, tests.len() - failed.len(), tests.len()));
        }
        let instructions: Vec<_> =
            ended.said.instructions().iter().map(|(name, count)| (name.clone(), *count)).collect();
        for (name, count) in instructions.iter().filter(|it| it.1 > MOST_INSTRUCTIONS) {
            faults.push(format!("{name} needs {count} instructions, over {MOST_INSTRUCTIONS}"));
        }
        Self { release: release.to_owned(), took: ended.took, tiers, instructions, faults }
    }

    /// Each test is one; a fault without a test that failed is one, too.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, passed, asked) in &self.tiers {
            (0..*passed).for_each(|_| tally += Tally::PASS);
            (*passed..*asked).for_each(|_| tally += Tally::FAIL);
        }
        if !self.faults.is_empty() && !tally.has_failures() {
            tally += Tally::FAIL;
        }
        tally
    }
}

/// The rows as a table of kernels, tiers, and the verifier's instructions for each program; `-`
/// where a kernel did not say.
pub(super) fn table(rows: &[Row]) -> String {
    let programs: BTreeSet<&str> =
        rows.iter().flat_map(|row| &row.instructions).map(|it| it.0.as_str()).collect();
    let tiers: BTreeSet<Tier> =
        rows.iter().flat_map(|row| &row.tiers).map(|(tier, ..)| *tier).collect();
    let mut lines = vec![vec!["kernel".to_owned(), "seconds".to_owned()]];
    if let Some(head) = lines.first_mut() {
        head.extend(tiers.iter().map(ToString::to_string));
        head.extend(programs.iter().map(|name| (*name).to_owned()));
    }
    for row in rows {
        let mut line = vec![row.release.clone(), row.took.as_secs().to_string()];
        line.extend(tiers.iter().map(|tier| {
            let found = row.tiers.iter().find(|(of, ..)| of == tier);
            found
                .map_or_else(|| "-".to_owned(), |(_, passed, asked)| format!("{passed} of {asked}"))
        }));
        line.extend(programs.iter().map(|name| {
            let found = row.instructions.iter().find(|it| it.0 == *name);
            found.map_or_else(|| "-".to_owned(), |it| it.1.to_string())
        }));
        lines.push(line);
    }
    aligned(&lines)
}

/// Columns as wide as their widest cell; all but the first are flush right.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0)
    };
    let shown = |line: &Vec<String>| {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ")
            + "
"
    };
    lines.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::said::Said;

    #[test]
    fn a_test_that_was_not_heard_of_has_failed() {
        let row = judged("guest: program begins\ntest a ... ok\n", None);

        assert_eq!(row.tally().to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(row.faults.len(), 2, "{:?}", row.faults);
    }

    #[test]
    fn a_machine_that_did_not_end_well_fails_though_its_tests_passed() {
        const PASSED: &str =
            "guest: program begins\ntest a ... ok\ntest b ... ok\nguest: program ends with 0\n";

        assert_eq!(judged(PASSED, None).tally().to_string(), "2 passed, 0 failed, 0 skipped");
        let row = judged(PASSED, Some("it exited with 0".to_owned()));
        assert_eq!(row.tally().to_string(), "2 passed, 1 failed, 0 skipped");
        let long = format!("verifier: egress 650001 instructions\n{PASSED}");
        assert!(judged(&long, None).tally().has_failures());
    }

    #[test]
    fn the_table_has_a_dash_where_a_kernel_did_not_say() {
        let row = |release: &str, instructions| Row {
            release: release.to_owned(),
            took: Duration::from_secs(9),
            tiers: vec![(Tier::Program, 1, 2)],
            instructions,
            faults: vec![],
        };

        let text = table(&[row("5.10", vec![]), row("7.3.4", vec![("egress".to_owned(), 26_075)])]);

        assert_eq!(
            text,
            "kernel  seconds  program  egress\n\
             5.10          9   1 of 2       -\n\
             7.3.4         9   1 of 2   26075\n"
        );
    }

    fn judged(text: &str, fault: Option<String>) -> Row {
        let mut said = Said::default();
        text.lines().for_each(|line| said.hear(line));
        let ended = Ended { said, fault, took: Duration::ZERO };
        Row::judge("1.2", &ended, &[(Tier::Program, vec!["a", "b"])])
    }
}
