//! `enforcer schema`: for editors.

use super::{Exit, output};
use crate::policy;

/// Print the JSON Schema of the policy file
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Prints the schema.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn run(_: &SchemaArgs) -> anyhow::Result<Exit> {
    output::print(&output::json(&policy::schema())?)?;
    Ok(Exit::Fine)
}
