//! What is tried on each kernel: the programs that cargo builds, and the tests in them.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::{
    build::{self, Profile},
    setup,
};

/// The tiers that make sense on another kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Tier {
    /// Each kernel program over crafted packets
    Program,
    /// What the README promises, in network namespaces
    E2e,
}

impl Tier {
    /// The test program of the tier, as cargo knows it.
    const fn target(self) -> &'static str {
        match self {
            Self::Program => "programs",
            Self::E2e => "e2e",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Program => "program",
            Self::E2e => "e2e",
        })
    }
}

/// The programs, where cargo left them. They keep their places in the machine, since some know
/// where others are.
pub(super) struct Payload {
    pub(super) agent: PathBuf,
    pub(super) demo: PathBuf,
    /// The agent without one of its measures, which lies beside the demo.
    pub(super) weak: PathBuf,
    /// The agent whose maps are laid out otherwise; the end-to-end tier alone needs it.
    pub(super) other: Option<PathBuf>,
    /// The first process of the machine.
    pub(super) guest: PathBuf,
    /// The kernel programs.
    pub(super) object: PathBuf,
    pub(super) suites: Vec<Suite>,
}

/// A tier's test program and the names of its tests.
pub(super) struct Suite {
    pub(super) tier: Tier,
    pub(super) program: PathBuf,
    pub(super) tests: Vec<String>,
}

impl Payload {
    /// Builds everything as `cargo xtask test` does, and asks the test programs for their tests.
    pub(super) fn build(profile: Profile, tiers: &[Tier], filters: &[String]) -> Result<Self> {
        setup::for_build()?;
        let other = if tiers.iter().any(|tier| matches!(tier, Tier::E2e)) {
            build::other_layout(profile)?;
            Some(profile.program(build::OTHER_LAYOUT)?)
        } else {
            None
        };
        let mut build = profile.cargo("build");
        build.args(["--all-targets", "--message-format=json-render-diagnostics"]);
        let built = build.stderr(Stdio::inherit()).output().context("run `cargo build`")?;
        if !built.status.success() {
            bail!("run `cargo build`: {}", built.status);
        }
        let built = Artifacts::read(&String::from_utf8_lossy(&built.stdout))?;
        let suite = |tier: &Tier| {
            let program = built.program("test", tier.target())?;
            let mut tests = list(&program)?;
            tests.retain(|test| {
                filters.is_empty() || filters.iter().any(|filter| test.contains(filter))
            });
            Ok(Suite { tier: *tier, program, tests })
        };
        Ok(Self {
            agent: built.program("bin", "enforcer")?,
            demo: built.program("bin", "enforcer-demo")?,
            weak: built.program("bin", "enforcer-weak")?,
            other,
            guest: built.program("bin", "enforcer-guest")?,
            object: built.object.clone().context("find the kernel programs that were built")?,
            suites: tiers.iter().map(suite).collect::<Result<_>>()?,
        })
    }

    /// Whether a test's name contains this.
    pub(super) fn has(&self, filter: &str) -> bool {
        self.suites.iter().flat_map(|suite| &suite.tests).any(|test| test.contains(filter))
    }
}

/// The names of the tests in a test program.
fn list(program: &Path) -> Result<Vec<String>> {
    let shown = program.display();
    let listed = Command::new(program).args(["--list", "--format=terse"]).output();
    let listed = listed.with_context(|| format!("run {shown}"))?;
    if !listed.status.success() {
        bail!("list the tests of {shown}: {}", listed.status);
    }
    let text = String::from_utf8_lossy(&listed.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// What cargo says that it has built.
#[derive(Debug, Default)]
struct Artifacts {
    /// Kind, name and place of each program.
    programs: Vec<(String, String, PathBuf)>,
    object: Option<PathBuf>,
}

impl Artifacts {
    /// Reads cargo's messages, one a line.
    fn read(messages: &str) -> Result<Self> {
        let mut artifacts = Self::default();
        for line in messages.lines() {
            let message: serde_json::Value =
                serde_json::from_str(line).with_context(|| format!("read cargo's line {line}"))?;
            let text = |pointer: &str| message.pointer(pointer).and_then(|it| it.as_str());
            if let Some(folder) = text("/out_dir") {
                let object = Path::new(folder).join("enforcer-programs");
                artifacts.object = artifacts.object.or_else(|| object.is_file().then_some(object));
            }
            let is_test = message.pointer("/profile/test") == Some(&true.into());
            if let (Some(kind), Some(name), Some(place)) =
                (text("/target/kind/0"), text("/target/name"), text("/executable"))
                && is_test == (kind == "test")
            {
                artifacts.programs.push((kind.to_owned(), name.to_owned(), place.into()));
            }
        }
        Ok(artifacts)
    }

    fn program(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let mut found = self.programs.iter().filter(|it| it.0 == kind && it.1 == name);
        let (_, _, place) =
            found.next().with_context(|| format!("find the {kind} {name} that was built"))?;
        Ok(place.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_its_own_unit_tests_and_from_a_library() {
        let messages = [
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"a"},"profile":{"test":false},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"a"},"profile":{"test":true},"executable":"/unit"}"#,
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"a"},"profile":{"test":false},"executable":"/a"}"#,
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"e2e"},"profile":{"test":true},"executable":"/e2e"}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];

        let artifacts = Artifacts::read(&messages.join("\n")).unwrap();

        assert_eq!(artifacts.program("bin", "a").unwrap(), Path::new("/a"));
        assert_eq!(artifacts.program("test", "e2e").unwrap(), Path::new("/e2e"));
        assert!(artifacts.program("test", "programs").is_err());
    }
}
