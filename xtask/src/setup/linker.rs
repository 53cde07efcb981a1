//! bpf-linker, which has to read the bitcode of the compiler's own LLVM.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::apt;
use crate::{
    step,
    toolchain::{self, Toolchain},
};

const VERSION: &str = "0.13.0";

/// Finds bpf-linker, or compiles it against the LLVM that the compiler was built with.
pub(super) fn ensure(toolchain: &Toolchain) -> Result<()> {
    if toolchain::linker().is_some() {
        return Ok(());
    }
    let llvm = llvm_major(toolchain)?;
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    if !prefix.join("include/llvm-c").exists() {
        let package = format!("llvm-{llvm}-dev");
        if !apt::is_usable() {
            bail!(
                "find LLVM {llvm}, which bpf-linker is compiled against: install {package} by \
                 hand, or bpf-linker {VERSION} from its release page"
            );
        }
        apt::update()?;
        apt::install(&[&package])?;
    }
    step::say(&format!("cargo install bpf-linker {VERSION} (about a minute)"));
    step::run_quietly(
        step::cargo()
            .args(["install", "--locked", "--no-default-features"])
            .arg(format!("--features=llvm-{llvm}"))
            .arg(format!("bpf-linker@{VERSION}"))
            // Without it the link step does not find libLLVM.
            .env("LLVM_PREFIX", &prefix),
    )
}

/// The major version of the compiler's LLVM, from its `LLVM version: 22.1.8`.
fn llvm_major(toolchain: &Toolchain) -> Result<u32> {
    let answer = toolchain::ask(&toolchain.name, "-vV")
        .with_context(|| format!("ask the compiler of `{}` for its version", toolchain.name))?;
    parse_llvm_major(&answer)
        .with_context(|| format!("find the LLVM version in the compiler's answer {answer:?}"))
}

fn parse_llvm_major(answer: &str) -> Option<u32> {
    let version = answer.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_llvm_major_from_the_compilers_answer() {
        let answer = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";

        assert_eq!(parse_llvm_major(answer), Some(22));
    }

    #[test]
    fn finds_no_llvm_in_the_answer_of_another_backend() {
        assert_eq!(parse_llvm_major("rustc 1.96.0\nrelease: 1.96.0\n"), None);
    }
}
