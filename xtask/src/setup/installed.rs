//! Programs that cargo installs: what puts the list of dependencies into a program, and what reads
//! it.

use anyhow::Result;

use crate::{step, toolchain};

const PROGRAMS: [(&str, &str); 2] = [("cargo-auditable", "0.7.7"), ("auditable2cdx", "0.1.0")];

/// Installs those that are missing.
pub(super) fn ensure() -> Result<()> {
    for (program, version) in PROGRAMS {
        if toolchain::on_path(program).is_some() {
            continue;
        }
        step::say(&format!("cargo install {program} {version} (about a minute)"));
        let package = format!("{program}@{version}");
        step::run_quietly(step::cargo().args(["install", "--locked"]).arg(package))?;
    }
    Ok(())
}
