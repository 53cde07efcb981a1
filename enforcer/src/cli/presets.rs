//! `enforcer presets`.
use super::Exit;
/// Show the embedded presets
#[derive(Debug, clap::Args)]
pub struct PresetsArgs {}
pub fn run(_: &PresetsArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("presets are not in yet")
}
