//! `cargo xtask build`: the agent with its kernel programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{setup, step};

/// The packages that build for the host. Each cargo call names the same ones: another selection
/// means other features of shared dependencies, and with them another compilation.
pub(crate) const HOST_PACKAGES: [&str; 3] = ["--workspace", "--exclude", "enforcer-ebpf"];

/// The agent whose maps are laid out otherwise.
pub(crate) const OTHER_LAYOUT: &str = "enforcer-other";

/// How the host's side is compiled. The kernel programs are always optimised.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Profile {
    /// As shipped: without debug assertions, with link-time optimisation
    #[arg(long)]
    release: bool,
}

impl Profile {
    /// As shipped.
    pub(crate) const RELEASE: Self = Self { release: true };

    /// A cargo command for all host packages in this profile.
    pub(crate) fn cargo(self, verb: &str) -> Command {
        let mut command = step::cargo();
        command.arg(verb).args(HOST_PACKAGES);
        if self.release {
            command.arg("--release");
        }
        command
    }

    /// Where this profile's `program` is.
    pub(crate) fn program(self, program: &str) -> Result<PathBuf> {
        let directory = target_directory()?;
        Ok(directory.join(if self.release { "release" } else { "debug" }).join(program))
    }
}

/// Sets up, builds, and says where the agent is.
pub(crate) fn run(profile: Profile) -> Result<()> {
    programs(profile)?;
    step::say(&format!("built {}", profile.program("enforcer")?.display()));
    Ok(())
}

/// Builds the programs: the agent and the demo.
pub(crate) fn programs(profile: Profile) -> Result<()> {
    setup::for_build()?;
    step::run(profile.cargo("build").arg("--bins"))
}

/// Builds only these of the programs: each takes a minute to be optimised as a whole.
pub(crate) fn only(profile: Profile, programs: &[&str]) -> Result<()> {
    setup::for_build()?;
    step::run(profile.cargo("build").args(programs.iter().flat_map(|it| ["--bin", *it])))
}

/// Builds the programs and every test.
pub(crate) fn everything(profile: Profile) -> Result<()> {
    other_layout(profile)?;
    step::run(profile.cargo("build").arg("--all-targets"))
}

/// Builds the agent whose maps are laid out otherwise, for what is tested between versions, and
/// leaves it as `enforcer-other`. Whoever calls builds the others afterwards: cargo gives both the
/// same name.
pub(crate) fn other_layout(profile: Profile) -> Result<()> {
    setup::for_build()?;
    step::run(profile.cargo("build").args(["--bin=enforcer", "--features=enforcer/other-layout"]))?;
    let (built, kept) = (profile.program("enforcer")?, profile.program(OTHER_LAYOUT)?);
    fs::copy(&built, &kept).with_context(|| format!("copy to {}", kept.display()))?;
    Ok(())
}

/// Cargo's target directory, wherever it has been told to have it: this program lies two levels
/// below.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let program = env::current_exe().context("find the running program")?;
    let directory = program.parent().and_then(Path::parent);
    Ok(directory.with_context(|| format!("find two folders above {}", program.display()))?.into())
}
