//! Root, which the kernel asks for when a program is loaded or a namespace is made.

use std::{fs, os::unix::fs::MetadataExt as _};

use anyhow::{Result, bail};

/// Whether this process runs as root; its own folder in `/proc` belongs to its effective user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Refuses to go on without root.
///
/// `why` completes the sentence "`cargo xtask VERB` needs root: ...".
pub(crate) fn require(verb: &str, why: &str) -> Result<()> {
    if !is_root() {
        bail!("`cargo xtask {verb}` needs root: {why}");
    }
    Ok(())
}
