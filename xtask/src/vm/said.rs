//! What a machine's tests say, line by line.

use std::collections::{BTreeMap, BTreeSet};

/// How much of a failure is shown: a refused program's log has thousands of lines.
const FIRST_LINES: usize = 5;
const LAST_LINES: usize = 15;

/// Everything of interest that was heard.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The tier whose test program runs.
    running: String,
    ended: BTreeSet<String>,
    /// Tier and test, and whether it passed.
    tests: BTreeMap<(String, String), bool>,
    /// The most instructions that the verifier has walked for a program.
    instructions: BTreeMap<String, u32>,
    /// What libtest prints of each test that failed.
    failures: Vec<Vec<String>>,
    is_among_failures: bool,
}

impl Said {
    /// Takes a line into account.
    pub(super) fn hear(&mut self, line: &str) {
        if let Some(line) = line.strip_prefix("guest: ") {
            self.hear_guest(line);
        } else if let Some(line) = line.strip_prefix("verifier: ") {
            self.hear_verifier(line);
        } else if let Some((name, outcome)) = test(line) {
            let test = (self.running.clone(), name.to_owned());
            self.tests.insert(test, outcome == "ok");
        } else if line == "failures:" {
            // The first heads what they printed, the second their names.
            self.is_among_failures = !self.is_among_failures;
        }
        if line.starts_with("---- ") && self.is_among_failures {
            self.failures.push(vec![]);
        }
        if let (true, Some(failure)) = (self.is_among_failures, self.failures.last_mut()) {
            failure.push(line.to_owned());
        }
    }

    /// `TIER begins` and `TIER ends with CODE`.
    fn hear_guest(&mut self, line: &str) {
        self.is_among_failures = false;
        if let Some(tier) = line.strip_suffix(" begins") {
            tier.clone_into(&mut self.running);
        } else if let Some((tier, _)) = line.split_once(" ends with ") {
            self.ended.insert(tier.to_owned());
            self.running.clear();
        }
    }

    /// `NAME N instructions`, where 0 is a kernel that does not tell.
    fn hear_verifier(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(name), Some(count)) = (words.next(), words.next()) else { return };
        let Ok(count @ 1..) = count.parse::<u32>() else { return };
        let most = self.instructions.entry(name.to_owned()).or_default();
        *most = count.max(*most);
    }

    /// Whether a test has passed; silence is none.
    pub(super) fn has_passed(&self, tier: &str, test: &str) -> bool {
        self.tests.get(&(tier.to_owned(), test.to_owned())) == Some(&true)
    }

    /// Whether a tier's test program came to its end.
    pub(super) fn has_ended(&self, tier: &str) -> bool {
        self.ended.contains(tier)
    }

    /// Whether each test program that began has ended.
    pub(super) fn is_over(&self) -> bool {
        self.running.is_empty() && !self.ended.is_empty()
    }

    pub(super) fn has_failures(&self) -> bool {
        self.tests.values().any(|is_passed| !is_passed)
    }

    /// What each test that failed printed; of much, its beginning and its end.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.failures.iter().map(|lines| match lines.as_slice() {
            [first @ .., _] if first.len() < FIRST_LINES + LAST_LINES => lines.join("\n"),
            all => {
                let (first, rest) = all.split_at(FIRST_LINES);
                let (left_out, last) = rest.split_at(rest.len() - LAST_LINES);
                let left_out = format!("[{} lines, which are in the log]", left_out.len());
                [&first.join("\n"), &left_out, &last.join("\n")].map(String::as_str).join("\n")
            }
        })
    }

    /// How many instructions the verifier walked for each program that it was heard of.
    pub(super) fn instructions(&self) -> &BTreeMap<String, u32> {
        &self.instructions
    }
}

/// Name and outcome of `test NAME ... OUTCOME`.
fn test(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let outcome = outcome.split(',').next().unwrap_or(outcome);
    matches!(outcome, "ok" | "FAILED" | "ignored").then_some((name, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = "guest: program begins\n\nrunning 2 tests\nverifier: egress 26075 instructions\n\
        verifier: connect4 0 instructions\ntest a::b ... ok\ntest a::c ... ok\n\n\
        test result: ok. 2 passed; 0 failed\nguest: program ends with 0\n";

    #[test]
    fn tests_count_for_their_tier_and_programs_by_their_instructions() {
        let said = heard(WELL);

        assert!(said.has_passed("program", "a::b") && said.has_passed("program", "a::c"));
        assert!(!said.has_passed("e2e", "a::b") && !said.has_passed("program", "a"));
        assert!(said.has_ended("program") && said.is_over() && !said.has_failures());
        assert_eq!(said.instructions(), &[("egress".to_owned(), 26_075)].into());
    }

    #[test]
    fn a_machine_that_dies_has_passed_only_what_it_said() {
        let said = heard("guest: program begins\ntest a::b ... ok\ntest a::c ... ");

        assert!(said.has_passed("program", "a::b") && !said.has_passed("program", "a::c"));
        assert!(!said.has_ended("program") && !said.is_over());
        assert!(!heard("").is_over());
    }

    #[test]
    fn failures_are_kept_with_what_they_printed() {
        let said = heard(
            "guest: e2e begins\ntest a ... FAILED\ntest b ... ignored, because\nfailures:\n\n\
             ---- a stdout ----\nboom\nfailures:\n    a\nguest: e2e ends with 101\nlater\n",
        );

        assert!(said.has_failures() && !said.has_passed("e2e", "a"));
        assert!(!said.has_passed("e2e", "b"), "an ignored test is none that passed");
        assert_eq!(said.failures().collect::<Vec<_>>(), ["---- a stdout ----\nboom"]);
    }

    #[test]
    fn a_long_failure_is_shown_by_its_ends() {
        let lines = (0..100).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");

        let said = heard(&format!("guest: e2e begins\nfailures:\n---- a stdout ----\n{lines}"));

        let shown = said.failures().next().unwrap();
        assert!(shown.starts_with("---- a stdout ----\n0\n1\n2\n3\n["), "{shown}");
        assert!(shown.contains("[81 lines, which are in the log]\n85\n"), "{shown}");
        assert!(shown.ends_with("\n99"), "{shown}");
    }

    #[test]
    fn the_largest_count_of_a_program_counts() {
        let said =
            heard("verifier: a 7 instructions\nverifier: a 9 instructions\nverifier: a 8 x\n");

        assert_eq!(said.instructions()["a"], 9);
    }

    fn heard(text: &str) -> Said {
        let mut said = Said::default();
        text.lines().for_each(|line| said.hear(line));
        said
    }
}
