//! `enforcer schema`: the JSON Schema of the policy file, for editors.

use super::{Exit, output};
use crate::policy::schema;

/// Print the JSON Schema of the policy file
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Prints the schema.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn run(_: &SchemaArgs) -> anyhow::Result<Exit> {
    output::print(&output::json(&schema::schema())?)?;
    Ok(Exit::Fine)
}
