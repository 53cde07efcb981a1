//! `enforcer names`: which addresses stand for which names.

use anyhow::Context as _;

use super::{
    Exit, Pins,
    output::{self, OutputFormat},
};
use crate::{datapath, status::names::Names};

/// Show the addresses of domain names that the kernel holds, with rules and expiry
#[derive(Debug, clap::Args)]
pub(super) struct NamesArgs {
    #[command(flatten)]
    pins: Pins,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// Leave the headings out
    #[arg(long)]
    no_headers: bool,
}

pub(super) fn run(args: &NamesArgs) -> anyhow::Result<Exit> {
    let reading = datapath::read(&args.pins.bpffs)?.with_context(|| {
        format!("read names: nothing is loaded below {}", args.pins.bpffs.display())
    })?;
    let names = Names::new(&reading);
    output::print(&match args.output {
        OutputFormat::Json => output::json(&names)?,
        OutputFormat::Yaml => output::yaml(&names)?,
        OutputFormat::Table | OutputFormat::Wide => {
            let is_wide = args.output == OutputFormat::Wide;
            let header: &[&str] =
                &["ADDRESS", "NAMES", "RULES", "EXPIRES-IN", "PACKETS", "NAMESPACE"];
            let shown = if is_wide { header.len() } else { header.len() - 1 };
            let header = header.get(..shown).unwrap_or(header);
            let rows = names.addresses.iter().map(|entry| {
                let namespace = entry.namespace;
                let mut row = vec![
                    entry.address.to_string(),
                    entry.names.join(","),
                    entry.rules.join(","),
                    format!("{:.0}s", entry.expires_in),
                    entry.packets.to_string(),
                    namespace.map_or_else(|| "any".to_owned(), |cookie| cookie.to_string()),
                ];
                row.truncate(shown);
                row
            });
            output::columns((!args.no_headers).then_some(header), rows)
        }
    })?;
    Ok(Exit::Fine)
}
