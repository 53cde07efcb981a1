//! One step of a verb: a command that is run, and a line that says so.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

/// Says what is about to be done.
#[expect(clippy::print_stdout, reason = "this is what the verbs say on the terminal")]
pub(crate) fn say(line: &str) {
    println!("xtask: {line}");
}

/// Says what went wrong, with its causes.
#[expect(clippy::print_stderr, reason = "errors go to the terminal's error stream")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("xtask: error: {error:#}");
}

/// Runs a command that shares the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {}", shown(command)))?;
    if !status.success() {
        bail!("run {}: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command whose output is of interest only when it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {}", shown(command)))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("run {}: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&said));
    }
    Ok(())
}

/// Whether a command can be run and ends well; what it says is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The cargo that runs this program, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// The command as one would type it, without the variables that are set for it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    format!("`{line}`")
}
