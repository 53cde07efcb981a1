//! Compiles the kernel programs and leaves their object in `OUT_DIR` as `enforcer-programs`.
//!
//! They build for another target with another compiler, which cargo has no stable word for: a
//! nested cargo does it, in a target directory of its own, because the outer one holds the lock of
//! the shared one. It says nothing unless it fails.

#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use toolchain::Toolchain;

fn main() -> Result<()> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let root = manifest_dir.parent().context("find the workspace above the package")?;
    rerun_if_changed(root);

    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let Some(toolchain) = Toolchain::find(target) else {
        bail!("find a Rust toolchain with a core library for {target}: run `cargo xtask setup`");
    };
    if toolchain::linker().is_none() {
        bail!("find bpf-linker on PATH: run `cargo xtask setup`");
    }
    let object = compile(&toolchain, root, target, &out_dir.join("bpf"))?;
    let copy = out_dir.join("enforcer-programs");
    fs::copy(&object, &copy)
        .with_context(|| format!("copy {} to {}", object.display(), copy.display()))?;
    Ok(())
}

/// Runs the nested cargo and answers where the object is.
fn compile(toolchain: &Toolchain, root: &Path, target: &str, target_dir: &Path) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    cargo
        .args(["build", "--release", "--locked", "--bins", "--package=enforcer-ebpf"])
        .args(toolchain.core_arguments())
        .args(env::var_os("CARGO_FEATURE_OTHER_LAYOUT").map(|_| "--features=other-layout"))
        .arg(format!("--target={target}"))
        .arg("--target-dir")
        .arg(target_dir)
        .current_dir(root)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            toolchain::encoded_rustflags(&variable("CARGO_CFG_TARGET_ARCH")?),
        );
    let output = cargo.output().with_context(|| format!("run {cargo:?}"))?;
    if !output.status.success() {
        bail!(
            "compile the kernel programs with the toolchain `{}`: {}\n{}",
            toolchain.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(target_dir.join(target).join("release/enforcer-programs"))
}

fn rerun_if_changed(root: &Path) {
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "enforcer/build",
        "enforcer/build.rs",
        "enforcer-common/Cargo.toml",
        "enforcer-common/src",
        "enforcer-ebpf",
    ];
    for input in inputs {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-env-changed={}", toolchain::OVERRIDE);
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("read {name}, which cargo sets for a build script"))
}
