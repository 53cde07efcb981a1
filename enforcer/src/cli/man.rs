//! `enforcer man`: the manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Cli, Exit, output::print};

/// Print the manual page: `enforcer man | man -l -`
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each verb into a directory instead
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let command = Cli::command();
    if let Some(directory) = &args.directory {
        clap_mangen::generate_to(command, directory)
            .with_context(|| format!("write manual pages into {}", directory.display()))?;
        return Ok(Exit::Fine);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context("render the manual page")?;
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Fine)
}
