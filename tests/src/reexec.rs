//! Hidden verbs: what a process must do for itself before it is what it shall be.
//!
//! A process joins a cgroup on its own, before it makes its first socket. A parent that moved it
//! would be too late or would have to stop it between fork and exec.

use std::{
    env,
    ffi::OsString,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

use crate::{binary, cgroup, insider, pods, probe::Probe, race, spoof};

/// Joins a cgroup and becomes another program.
const EXEC: &str = "rig-exec";
/// Joins a cgroup, acts, and reports.
const PROBE: &str = "rig-probe";
/// Joins a cgroup, asks for names, and reports.
const RACE: &str = "rig-race";
/// Joins a cgroup, waits for forged answers, and reports.
const SPOOF: &str = "rig-spoof";
/// Joins a cgroup, makes others below and sends from them, and reports.
const PODS: &str = "rig-pods";
/// Joins a cgroup and makes sockets for whoever started it.
const INSIDER: &str = "rig-insider";

/// A command that runs in a cgroup; start it with [`crate::Netns::spawn`].
///
/// # Errors
///
/// That the program with the hidden verbs is missing.
pub fn command(cgroup: &Path, program: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(EXEC).arg(cgroup).arg(program);
    Ok(command)
}

/// A command that acts in a cgroup and prints its report as JSON.
pub(crate) fn probe_command(cgroup: &Path, probe: &Probe) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(PROBE).arg(cgroup).arg(serde_json::to_string(probe)?);
    Ok(command)
}

/// A command that runs a task of a race in a cgroup and prints its report as JSON.
pub(crate) fn race_command(cgroup: &Path, task: &race::Task) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(RACE).arg(cgroup).arg(serde_json::to_string(task)?);
    Ok(command)
}

/// A command that is the client of forged answers in a cgroup and prints its report as JSON.
pub(crate) fn spoof_command(cgroup: &Path, task: &spoof::Task) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(SPOOF).arg(cgroup).arg(serde_json::to_string(task)?);
    Ok(command)
}

/// A command that is one pod after the other below a cgroup and prints its report as JSON.
pub(crate) fn pods_command(cgroup: &Path, task: &pods::Task) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(PODS).arg(cgroup).arg(serde_json::to_string(task)?);
    Ok(command)
}

/// A command that makes sockets in a cgroup.
pub(crate) fn insider_command(cgroup: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(binary::own()?);
    command.arg(INSIDER).arg(cgroup);
    Ok(command)
}

/// Does what a hidden verb asks, if one does; to be called first in `main`. `true`: it is done.
///
/// # Errors
///
/// What went wrong on the way; what an action meets is a report, no error.
pub fn run_if_asked() -> anyhow::Result<bool> {
    let mut arguments = env::args_os().skip(1);
    let verb = arguments.next().and_then(|verb| verb.into_string().ok());
    match verb.as_deref() {
        Some(EXEC) => {
            cgroup::join(&next_path(&mut arguments)?)?;
            let program = next_path(&mut arguments)?;
            let refused = Command::new(&program).args(arguments).exec();
            Err(refused).with_context(|| format!("start {}", program.display()))
        }
        Some(PROBE) => {
            let probe: Probe = join_and_read(&mut arguments)?;
            report(&probe.act())
        }
        Some(SPOOF) => {
            let task: spoof::Task = join_and_read(&mut arguments)?;
            report(&task.act()?)
        }
        Some(RACE) => {
            let task: race::Task = join_and_read(&mut arguments)?;
            report(&task.act()?)
        }
        Some(PODS) => {
            let task: pods::Task = join_and_read(&mut arguments)?;
            report(&task.act()?)
        }
        Some(INSIDER) => {
            let cgroup = next_path(&mut arguments)?;
            let how = arguments.next().and_then(|how| how.into_string().ok());
            insider::serve(&cgroup, how.as_deref())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Joins the cgroup that the first argument names, and reads the second.
fn join_and_read<T: DeserializeOwned>(
    arguments: &mut impl Iterator<Item = OsString>,
) -> anyhow::Result<T> {
    cgroup::join(&next_path(arguments)?)?;
    let text = next_path(arguments)?;
    serde_json::from_slice(text.as_os_str().as_encoded_bytes()).context("read the action")
}

fn report(report: &impl Serialize) -> anyhow::Result<bool> {
    let report = serde_json::to_string(report)?;
    writeln!(std::io::stdout(), "{report}").context("write the report")?;
    Ok(true)
}

fn next_path(arguments: &mut impl Iterator<Item = OsString>) -> anyhow::Result<PathBuf> {
    arguments.next().map(PathBuf::from).context("read the arguments of a hidden verb: too few")
}
