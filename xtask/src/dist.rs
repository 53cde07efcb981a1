//! `cargo xtask dist`: everything that is shipped, below `dist/`.
//!
//! Each part is made by what the field makes it with: cargo, buildah, dpkg-deb. Names and times
//! inside come from the commit, so that two builds of one commit differ in nothing of ours.

mod binary;
mod files;
mod image;
mod package;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{setup, step};

/// The version of everything here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What each part is made from and where it goes.
struct Dist {
    /// `dist/`.
    folder: PathBuf,
    /// Where parts are put together.
    work: PathBuf,
    /// The commit, and its time in seconds since 1970; of a tree without one, neither.
    commit: Option<(String, u64)>,
}

/// Builds all of it and lists it.
pub(crate) fn run() -> Result<()> {
    setup::for_dist()?;
    let dist = Dist::begin()?;
    let binary = binary::build(&dist)?;
    binary::list_dependencies(&dist, &binary)?;
    image::build(&dist, &binary)?;
    package::build(&dist, &binary)?;
    files::copy(&dist)?;
    let listed = files::sum(&dist)?;
    for (name, bytes) in listed {
        step::say(&format!("dist/{name}: {bytes} bytes"));
    }
    Ok(())
}

impl Dist {
    /// Begins with nothing: what an earlier version left must not be shipped with this one.
    fn begin() -> Result<Self> {
        let folder = step::root().join("dist");
        let work = crate::build::target_directory()?.join("dist");
        for folder in [&folder, &work] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", folder.display()));
                }
                _ => {}
            }
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let said = |format: &str| -> Option<String> {
            let mut git = Command::new("git");
            git.current_dir(step::root()).args(["log", "-1", format]);
            let output = git.output().ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let commit = said("--format=%H").zip(said("--format=%ct").and_then(|it| it.parse().ok()));
        Ok(Self { folder, work, commit })
    }

    /// The time of the commit.
    fn time(&self) -> String {
        self.commit.as_ref().map_or(0, |(_, time)| *time).to_string()
    }
}
