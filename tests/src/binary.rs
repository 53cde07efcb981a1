//! Where the programs are.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// The program under test: `ENFORCER_BIN`, else the one that was built beside this program.
///
/// # Errors
///
/// That there is none.
pub fn enforcer() -> anyhow::Result<PathBuf> {
    match env::var_os("ENFORCER_BIN") {
        Some(path) => Ok(PathBuf::from(path)),
        None => beside("enforcer").context("find enforcer: build it, or set ENFORCER_BIN"),
    }
}

/// The agent that can be run without a measure: `ENFORCER_WEAK_BIN`, else the one beside.
pub(crate) fn weak() -> anyhow::Result<PathBuf> {
    match env::var_os("ENFORCER_WEAK_BIN") {
        Some(path) => Ok(PathBuf::from(path)),
        None => beside("enforcer-weak").context("find enforcer-weak: build it"),
    }
}

/// The agent whose maps are laid out otherwise: `ENFORCER_OTHER_BIN`, else the one beside.
pub(crate) fn other_layout() -> anyhow::Result<PathBuf> {
    match env::var_os("ENFORCER_OTHER_BIN") {
        Some(path) => Ok(PathBuf::from(path)),
        None => beside("enforcer-other")
            .context("find the agent of another layout: set ENFORCER_OTHER_BIN"),
    }
}

/// A program that has the rig's hidden verbs: `ENFORCER_DEMO_BIN`, this one, or the one beside.
pub(crate) fn own() -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("ENFORCER_DEMO_BIN") {
        return Ok(PathBuf::from(path));
    }
    beside("enforcer-demo").context("find enforcer-demo: build it, or set ENFORCER_DEMO_BIN")
}

/// A program in the folder of this one, or in the one above: tests are built one folder deeper.
fn beside(name: &str) -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    let folders = own.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(name)).find(|path: &PathBuf| Path::is_file(path))
}
