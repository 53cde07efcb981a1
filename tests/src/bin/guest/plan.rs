//! What to do, a step a line: a word, a space, and the rest of the line.

use std::path::PathBuf;

use anyhow::Context as _;

/// The steps in their order, and the environment of every program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `insert PATH`: a kernel module.
    Insert { module: PathBuf },
    /// `count PATH`: how many instructions the verifier walks for each program of an object.
    Count { object: PathBuf },
    /// `run LABEL PROGRAM`, and `argument TEXT` for each of its arguments.
    Run { label: String, program: PathBuf, arguments: Vec<String> },
}

impl Plan {
    /// Reads a plan; `set NAME=VALUE` is a variable.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        for line in text.lines() {
            plan.add(line).with_context(|| format!("read the plan's line `{line}`"))?;
        }
        Ok(plan)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "set" => {
                let (name, value) = rest.split_once('=')?;
                self.variables.push((name.to_owned(), value.to_owned()));
            }
            "insert" => self.steps.push(Step::Insert { module: rest.into() }),
            "count" => self.steps.push(Step::Count { object: rest.into() }),
            "run" => {
                let (label, program) = rest.split_once(' ')?;
                let (label, program) = (label.to_owned(), program.into());
                self.steps.push(Step::Run { label, program, arguments: Vec::new() });
            }
            "argument" => match self.steps.last_mut()? {
                Step::Run { arguments, .. } => arguments.push(rest.to_owned()),
                Step::Insert { .. } | Step::Count { .. } => return None,
            },
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_steps_in_their_order_and_variables_apart() {
        let text = "set A=b=c\ninsert /m/veth.ko\ncount /o\nrun program /t\nargument --exact\n\
                    argument a::b\n";

        let plan = Plan::parse(text).unwrap();

        assert_eq!(plan.variables, [("A".to_owned(), "b=c".to_owned())]);
        let arguments = vec!["--exact".to_owned(), "a::b".to_owned()];
        let (label, program) = ("program".to_owned(), "/t".into());
        assert_eq!(
            plan.steps,
            [
                Step::Insert { module: "/m/veth.ko".into() },
                Step::Count { object: "/o".into() },
                Step::Run { label, program, arguments }
            ]
        );
    }

    #[test]
    fn refuses_what_is_no_step() {
        for text in ["sing a song", "run program", "argument --exact", "insert", "set A"] {
            assert!(Plan::parse(text).is_err(), "{text}");
        }
    }
}
