//! `enforcer explain`.
use super::Exit;
/// Explain
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {}
pub fn run(_: &ExplainArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("not in yet")
}
