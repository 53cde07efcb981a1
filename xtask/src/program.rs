//! A program of the rig that a verb builds and calls, with arguments of its own.

use std::{ffi::OsString, process::Command};

use anyhow::Result;

use crate::{
    build::{self, Profile},
    privilege, setup,
};

/// The help of `passed_on` is its verb's to give: each names another call that lists them.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    profile: Profile,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) passed_on: Vec<OsString>,
}

impl Arguments {
    /// Sets up, builds, and gives the call of `program`, as yet without what is passed on.
    pub(crate) fn prepare(&self, verb: &str, program: &str) -> Result<Command> {
        prepare(self.profile, verb, program, build::programs)
    }

    /// As [`Self::prepare`], with the agent of another layout beside.
    pub(crate) fn prepare_two(&self, verb: &str, program: &str) -> Result<Command> {
        prepare(self.profile, verb, program, |profile| {
            build::other_layout(profile)?;
            build::programs(profile)
        })
    }
}

/// Sets up, builds, and gives the call of `program`.
pub(crate) fn prepare(
    profile: Profile,
    verb: &str,
    program: &str,
    build: impl FnOnce(Profile) -> Result<()>,
) -> Result<Command> {
    let reason = "it makes network namespaces and attaches programs to a cgroup";
    privilege::require(verb, reason)?;
    setup::run()?;
    build(profile)?;
    built(profile, program)
}

/// The call of a `program` that `build` has left.
pub(crate) fn built(profile: Profile, program: &str) -> Result<Command> {
    let mut command = Command::new(profile.program(program)?);
    command.env("ENFORCER_BIN", profile.program("enforcer")?);
    Ok(command)
}
