//! What the tests said, counted from their output.

use std::{fmt, ops::AddAssign, process::ExitCode};

use crate::step;

/// How many tests and gates passed, failed and did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
    /// Tests that returned early for want of a privilege: libtest has them under passed.
    declined: u32,
}

impl Tally {
    /// One thing that went well.
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0, ignored: 0, declined: 0 };
    /// One thing that did not.
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1, ignored: 0, declined: 0 };
    /// One thing that was left out.
    pub(crate) const SKIP: Self = Self { passed: 0, failed: 0, ignored: 1, declined: 0 };

    /// Takes one line of a test program into account.
    ///
    /// libtest's summary is `test result: ok. 3 passed; 0 failed; 1 ignored; ...`. A privileged
    /// test that cannot run prints `skipped: REASON` and returns; without capture the words may
    /// follow `test NAME ... ` on its line.
    pub(crate) fn count(&mut self, line: &str) {
        if let Some((_, summary)) = line.split_once("test result: ") {
            self.passed += number_before(summary, " passed");
            self.failed += number_before(summary, " failed");
            self.ignored += number_before(summary, " ignored");
        } else if line.starts_with("skipped: ") || line.contains(" ... skipped: ") {
            self.declined += 1;
        }
    }

    /// The last line of `vm`, where nothing is skipped.
    pub(crate) fn counts(self) -> String {
        format!("{} passed, {} failed", self.passed.saturating_sub(self.declined), self.failed)
    }

    pub(crate) const fn has_failures(self) -> bool {
        self.failed > 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.declined += other.declined;
    }
}

/// The last line of `test` and `ci`, which scripts read.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {} skipped", self.counts(), self.ignored + self.declined)
    }
}

/// Prints the last line and turns it into the exit code; a verb that could not finish has failed.
pub(crate) fn close(outcome: anyhow::Result<Tally>) -> ExitCode {
    close_with(outcome, |tally| tally.to_string())
}

/// The same without what was skipped.
pub(crate) fn close_in_short(outcome: anyhow::Result<Tally>) -> ExitCode {
    close_with(outcome, Tally::counts)
}

#[expect(clippy::print_stdout, reason = "the last line is the verb's answer")]
fn close_with(outcome: anyhow::Result<Tally>, line: fn(Tally) -> String) -> ExitCode {
    let tally = outcome.unwrap_or_else(|error| {
        step::complain(&error);
        Tally::FAIL
    });
    println!("{}", line(tally));
    if tally.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The number that stands before a word, as the 3 in `ok. 3 passed`.
fn number_before(summary: &str, word: &str) -> u32 {
    let number = summary.split_once(word).and_then(|(text, _)| text.rsplit(' ').next());
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_the_summaries_of_several_test_programs() {
        let text = "test a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out\n";

        assert_eq!(tally(text).to_string(), "15 passed, 2 failed, 1 skipped");
        assert!(tally(text).has_failures());
    }

    #[test]
    fn counts_a_test_that_declined_as_skipped_and_not_as_passed() {
        const CASES: [(&str, &str); 2] = [
            ("own line", "skipped: needs root\ntest a ... ok\n"),
            ("after the name", "test a ... skipped: needs root\nok\n"),
        ];
        for (label, lines) in CASES {
            let text = format!("{lines}test result: ok. 2 passed; 0 failed; 0 ignored;\n");

            assert_eq!(tally(&text).to_string(), "1 passed, 0 failed, 1 skipped", "{label}");
        }
    }

    #[test]
    fn takes_no_other_mention_of_the_words_for_a_count() {
        let text = "the packet was skipped: it is on loopback\nrows: 3 passed, 4 failed\n";

        assert_eq!(tally(text), Tally::default());
    }

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.count(line));
        tally
    }
}
