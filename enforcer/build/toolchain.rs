//! Finds a compiler for the kernel programs; the build script and `cargo xtask` share this file.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Names the rustup toolchain to use, ahead of the ones that are looked for.
pub(crate) const OVERRIDE: &str = "ENFORCER_BPF_TOOLCHAIN";

/// Where the compiler takes its `core` for the BPF target from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreSource {
    /// A compiled library beside the compiler.
    Prebuilt,
    /// The `rust-src` component, compiled along with the programs (`-Z build-std`, nightly only).
    BuildStd,
}

/// A rustup toolchain that compiles for the BPF target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// As rustup knows it.
    pub(crate) name: String,
    pub(crate) core: CoreSource,
}

impl Toolchain {
    /// Takes the first that works of: the one that `ENFORCER_BPF_TOOLCHAIN` names, `bpf`, `nightly`.
    ///
    /// A toolchain named by the environment is the only candidate: a typing error in it is not to
    /// be papered over with another compiler.
    pub(crate) fn find(target: &str) -> Option<Self> {
        match env::var(OVERRIDE) {
            Ok(name) if !name.is_empty() => Self::probe(&name, target),
            _ => ["bpf", "nightly"].iter().find_map(|name| Self::probe(name, target)),
        }
    }

    /// Looks at one toolchain: does it run, and has it a `core` for the target?
    fn probe(name: &str, target: &str) -> Option<Self> {
        let sysroot = ask(name, "--print=sysroot")?;
        let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
        let core = if has_prebuilt_core(&rustlib, target) {
            CoreSource::Prebuilt
        } else if rustlib.join("src/rust/library/core/Cargo.toml").exists()
            && ask(name, "--version")?.contains("-nightly")
        {
            CoreSource::BuildStd
        } else {
            return None;
        };
        Some(Self { name: name.to_owned(), core })
    }

    /// A cargo of this toolchain, free of what an outer cargo or clippy has set for itself.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = rustup_run(&self.name, "cargo");
        for (key, _) in env::vars_os() {
            if belongs_to_outer_build(&key) {
                command.env_remove(key);
            }
        }
        if let Some(linker) = linker() {
            command.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &linker);
            command.env("CARGO_TARGET_BPFEB_UNKNOWN_NONE_LINKER", &linker);
        }
        // aya-ebpf asks for `asm_experimental_arch`; no other crate is let out of stable Rust.
        command.env("RUSTC_BOOTSTRAP", "aya_ebpf");
        command
    }

    /// What `cargo` needs after its verb to take `core` from where it is.
    pub(crate) const fn core_arguments(&self) -> &'static [&'static str] {
        match self.core {
            CoreSource::Prebuilt => &[],
            CoreSource::BuildStd => &["-Zbuild-std=core"],
        }
    }
}

/// Finds the linker of the BPF target on `PATH`.
pub(crate) fn linker() -> Option<PathBuf> {
    on_path("bpf-linker")
}

/// Finds a program on `PATH`, or where cargo installs, which is not on every `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_bin = env::var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin"));
    env::split_paths(&path)
        .chain(cargo_bin)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// The flags for `CARGO_ENCODED_RUSTFLAGS`: which kernel's registers aya-ebpf reads, full debug
/// information for the verifier log, and BTF, without which no BTF-defined map loads.
pub(crate) fn encoded_rustflags(kernel_arch: &str) -> String {
    // The kernel has one RISC-V architecture where Rust has several names.
    let arch = if kernel_arch.starts_with("riscv64") { "riscv64" } else { kernel_arch };
    [&format!("--cfg=bpf_target_arch=\"{arch}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"].join("\x1f")
}

/// What the compiler of a toolchain answers to one question.
pub(crate) fn ask(toolchain: &str, question: &str) -> Option<String> {
    let output = rustup_run(toolchain, "rustc")
        .arg(question)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}

fn rustup_run(toolchain: &str, program: &str) -> Command {
    let mut command = Command::new("rustup");
    // A missing toolchain is an answer, not a wish to download one.
    command.args(["run", toolchain, program]).env("RUSTUP_AUTO_INSTALL", "0");
    command
}

fn has_prebuilt_core(rustlib: &Path, target: &str) -> bool {
    fs::read_dir(rustlib.join(target).join("lib")).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let file = PathBuf::from(entry.file_name());
            file.extension() == Some(OsStr::new("rlib"))
                && file.to_string_lossy().starts_with("libcore-")
        })
    })
}

/// Cargo tells a build script, and clippy tells cargo, a great deal in variables that another
/// cargo would take for its own. Homes and network settings are the user's and stay; so does the
/// job server, so that both cargos together keep to the number of jobs.
fn belongs_to_outer_build(key: &OsStr) -> bool {
    const KEPT: [&str; 9] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "RUSTUP_AUTO_INSTALL",
        "RUSTUP_HOME",
        "RUST_LOG",
    ];
    let key = key.to_string_lossy();
    let outer = ["CARGO", "RUST", "CLIPPY"].iter().any(|prefix| key.starts_with(prefix));
    outer && !KEPT.iter().any(|kept| key.starts_with(kept))
}
