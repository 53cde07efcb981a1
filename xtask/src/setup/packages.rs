//! Packages of other languages, each kind in a folder of its own below the target directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{build, step};

/// Has these packages installed into the folder, unless it has just them.
pub(super) fn ensure(
    folder: &str,
    packages: &[&str],
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder: PathBuf = build::target_directory()?.join("tools").join(folder);
    // Written last, so an interrupted installation is begun again.
    let (list, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step::say(&format!("install {} into {}", packages.join(" "), folder.display()));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    install(&folder)?;
    fs::write(&list, wanted).with_context(|| format!("write {}", list.display()))
}
