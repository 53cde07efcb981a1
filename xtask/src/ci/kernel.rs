//! The lints of the kernel programs, for the target that they run on.

use anyhow::Result;

use crate::{
    build, setup, step,
    toolchain::{self, Toolchain},
};

/// Runs clippy where the eBPF compiler has one, and else the compiler's own lints.
///
/// Debian's compiler comes without clippy, and another compiler's cannot read its `core`.
pub(super) fn lint() -> Result<()> {
    let toolchain = setup::compiler::ensure()?;
    let has_clippy = step::succeeds(toolchain.cargo().args(["clippy", "--version"]));
    if !has_clippy {
        step::say(&format!(
            "the toolchain `{}` has no clippy: its compiler's warnings have to do",
            toolchain.name
        ));
    }
    let flags = toolchain::encoded_rustflags(std::env::consts::ARCH);
    step::run(
        command(&toolchain, if has_clippy { "clippy" } else { "check" })?
            .env("CARGO_ENCODED_RUSTFLAGS", format!("{flags}\x1f-Dwarnings")),
    )
}

fn command(toolchain: &Toolchain, verb: &str) -> Result<std::process::Command> {
    let mut cargo = toolchain.cargo();
    cargo
        .args([verb, "--locked", "--package=enforcer-ebpf"])
        .args(toolchain.core_arguments())
        .arg(format!("--target={}", setup::compiler::TARGET))
        .arg("--target-dir")
        .arg(build::target_directory()?.join("bpf-lints"))
        .current_dir(step::root());
    Ok(cargo)
}
