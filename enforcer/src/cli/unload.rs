//! `enforcer unload`: the only way to switch enforcement off.

use super::{Exit, Pins, output::print};
use crate::datapath;

/// Detach every hook and remove every pin: ends enforcement
#[derive(Debug, clap::Args)]
pub(super) struct UnloadArgs {
    #[command(flatten)]
    pins: Pins,
}

pub(super) fn run(args: &UnloadArgs) -> anyhow::Result<Exit> {
    let folder = args.pins.bpffs.display();
    let removed = datapath::unload(&args.pins.bpffs)?;
    if removed.links + removed.programs + removed.maps == 0 {
        print(&format!("nothing is loaded below {folder}\n"))?;
        return Ok(Exit::Fine);
    }
    print(&format!(
        "detached {} hooks, removed {} programs and {} maps below {folder}; nothing is enforced\n",
        removed.links, removed.programs, removed.maps
    ))?;
    Ok(Exit::Fine)
}
