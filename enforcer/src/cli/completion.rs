//! `enforcer completion`: for the shell's own start-up file.

use clap::CommandFactory as _;

use super::{Cli, Exit, output::print};

/// Print completions for a shell: `source <(enforcer completion bash)`
#[derive(Debug, clap::Args)]
pub(super) struct CompletionArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &CompletionArgs) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "enforcer", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Fine)
}
