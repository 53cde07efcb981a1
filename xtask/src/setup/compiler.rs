//! The compiler of the kernel programs.

use std::{env, process::Command};

use anyhow::{Result, bail};

use super::apt;
use crate::{
    step,
    toolchain::{OVERRIDE, Toolchain},
};

/// The target of the kernel programs on a little-endian machine; a big-endian one has its twin.
pub(crate) const TARGET: &str =
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };

/// Debian's compiler, its cargo, and a `core` that is compiled for the BPF targets.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];

const BY_HAND: &str = "install by hand either a nightly with its sources \
    (`rustup toolchain install nightly --component rust-src`) or, on Debian, the packages \
    rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22-dev and then \
    `rustup toolchain link bpf /usr`";

/// Finds a compiler, or brings one.
///
/// Debian's packages come first where they can be had, because they need no second download for
/// `core` and match the LLVM that Debian has for the linker.
pub(crate) fn ensure() -> Result<Toolchain> {
    if let Some(toolchain) = Toolchain::find(TARGET) {
        return Ok(toolchain);
    }
    if let Some(name) = env::var_os(OVERRIDE).filter(|name| !name.is_empty()) {
        bail!(
            "find a core library for {TARGET} in the toolchain `{}` that {OVERRIDE} names: \
             name one that has it, or unset the variable",
            name.display()
        );
    }
    if !step::succeeds(Command::new("rustup").arg("--version")) {
        bail!("run rustup, which finds the second compiler: install it from your distribution");
    }
    let mut failures = Vec::new();
    for bring in [from_debian, from_rustup] {
        match bring() {
            Ok(()) => match Toolchain::find(TARGET) {
                Some(toolchain) => return Ok(toolchain),
                None => failures.push(format!("the compiler has no core library for {TARGET}")),
            },
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bail!("bring an eBPF compiler: {}; {BY_HAND}", failures.join("; "))
}

fn from_debian() -> Result<()> {
    if !apt::is_usable() {
        bail!("apt-get cannot be used without root or outside Debian");
    }
    apt::update()?;
    if !apt::offers(&PACKAGES) {
        bail!("apt-get does not offer {}", PACKAGES.join(" "));
    }
    apt::install(&PACKAGES)?;
    step::say("rustup toolchain link bpf /usr");
    step::run_quietly(Command::new("rustup").args(["toolchain", "link", "bpf", "/usr"]))
}

fn from_rustup() -> Result<()> {
    step::say("rustup toolchain install nightly --component rust-src");
    step::run_quietly(Command::new("rustup").args([
        "toolchain",
        "install",
        "nightly",
        "--profile=minimal",
        "--component=rust-src",
    ]))
}
