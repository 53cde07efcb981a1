//! The first file system of a machine: its first process, the tests, what they call, modules.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    cpio::Archive,
    fetch::Kernel,
    modules,
    payload::{Payload, Tier},
};
use crate::{build, setup::tools, step};

/// Plain programs that the tests start by these names.
const PLAIN: [&str; 5] = ["/bin/cat", "/bin/false", "/bin/sh", "/bin/sleep", "/bin/true"];
/// Where the kernel looks for the first process, and that one for what it is to do.
const INIT: &str = "/init";
const PLAN: &str = "/plan";
const OBJECT: &str = "/programs.o";
/// The only user and the only group: servers look for the one that they shall run as.
const ACCOUNTS: [(&str, &[u8]); 2] =
    [("/etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"), ("/etc/group", b"root:x:0:\n")];
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// How many times longer than on a real machine things may take.
const PATIENCE: u32 = 10;

/// Kernels before this one do not say how many instructions the verifier walked.
const TELLS_INSTRUCTIONS: (u32, u32) = (5, 16);

/// What every machine has, whatever its kernel.
pub(super) struct Image {
    archive: Archive,
    variables: String,
}

/// A tier and the names of its tests that a machine runs.
pub(super) type Run<'a> = (Tier, &'a Path, Vec<&'a str>);

impl Image {
    pub(super) fn new(payload: &Payload) -> Result<Self> {
        let mut archive = Archive::default();
        add_program(&mut archive, &payload.guest, Path::new(INIT))?;
        let suites = payload.suites.iter().map(|suite| &suite.program);
        for program in [&payload.agent, &payload.demo, &payload.weak]
            .into_iter()
            .chain(&payload.other)
            .chain(suites)
        {
            add_program(&mut archive, program, program)?;
        }
        for (name, package) in tools::TESTS {
            let Some(tool) = tools::find(name) else { bail!("find {name}: install {package}") };
            add_program(&mut archive, &tool, &tool)?;
        }
        for tool in PLAIN.map(Path::new) {
            add_program(&mut archive, tool, tool)?;
        }
        for (file, content) in ACCOUNTS {
            archive.add(Path::new(file), content)?;
        }
        archive.add(Path::new(OBJECT), &for_bpftool(&payload.object)?)?;
        let mut variables = String::new();
        let path = |path: &PathBuf| path.display().to_string();
        for (name, value) in [
            ("PATH", SEARCH_PATH.to_owned()),
            ("ENFORCER_BIN", path(&payload.agent)),
            ("ENFORCER_OTHER_BIN", payload.other.as_ref().map(path).unwrap_or_default()),
            ("ENFORCER_DEMO_BIN", path(&payload.demo)),
            ("ENFORCER_REQUIRE_PRIVILEGE", "1".to_owned()),
            ("ENFORCER_TEST_PATIENCE", PATIENCE.to_string()),
        ] {
            writeln!(variables, "set {name}={value}").context("write the plan")?;
        }
        Ok(Self { archive, variables })
    }

    /// Writes the file system for one kernel.
    pub(super) fn write(&self, kernel: &Kernel, runs: &[Run<'_>], to: &Path) -> Result<()> {
        let mut archive = self.archive.clone();
        let mut plan = self.variables.clone();
        for module in modules::of(kernel)? {
            let path = format!("/modules/{}.ko", module.name);
            archive.add(Path::new(&path), &module.content)?;
            writeln!(plan, "insert {path}").context("write the plan")?;
        }
        if kernel.numbers() < TELLS_INSTRUCTIONS {
            writeln!(plan, "count {OBJECT}").context("write the plan")?;
        }
        for (tier, program, tests) in runs {
            writeln!(plan, "run {tier} {}", program.display()).context("write the plan")?;
            for argument in ["--exact", "--show-output"].iter().chain(tests) {
                writeln!(plan, "argument {argument}").context("write the plan")?;
            }
        }
        archive.add(Path::new(PLAN), plan.as_bytes())?;
        fs::write(to, archive.finish()?).with_context(|| format!("write {}", to.display()))
    }
}

/// Adds a program without what only debuggers read, and the libraries it is linked with.
fn add_program(archive: &mut Archive, from: &Path, to: &Path) -> Result<()> {
    if archive.contains(to) {
        return Ok(());
    }
    archive.add(to, &stripped(from)?)?;
    let linked = Command::new("ldd").arg(from).output().context("run ldd")?;
    for library in libraries(&String::from_utf8_lossy(&linked.stdout)) {
        let content = fs::read(library).with_context(|| format!("read {library}"))?;
        archive.add(Path::new(library), &content)?;
    }
    Ok(())
}

fn stripped(program: &Path) -> Result<Vec<u8>> {
    let copy = build::target_directory()?.join("vm/stripped");
    step::run_quietly(Command::new("strip").arg("-o").arg(&copy).arg(program))?;
    let content = fs::read(&copy).with_context(|| format!("read {}", copy.display()))?;
    fs::remove_file(&copy).with_context(|| format!("remove {}", copy.display()))?;
    Ok(content)
}

/// The paths in what ldd prints: `libc.so.6 => /lib/libc.so.6 (0x...)`; the loader has no arrow.
fn libraries(printed: &str) -> impl Iterator<Item = &str> {
    printed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

/// The object as bpftool takes it: libbpf refuses what the compiler's BTF says of the linkage of
/// functions, which aya mends. Without the section that ties it to functions it says nothing.
fn for_bpftool(object: &Path) -> Result<Vec<u8>> {
    const TIES: &[u8] = b".BTF.ext\0";
    let mut bytes = fs::read(object).with_context(|| format!("read {}", object.display()))?;
    let places: Vec<usize> =
        bytes.windows(TIES.len()).enumerate().filter(|it| it.1 == TIES).map(|it| it.0).collect();
    for place in places {
        if let Some(byte) = bytes.get_mut(place + 1) {
            *byte = b'_';
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_paths_that_ldd_prints() {
        let printed = "\tlinux-vdso.so.1 (0x00007f74)\n\
                       \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f74)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f74)\n";

        let found: Vec<&str> = libraries(printed).collect();

        assert_eq!(found, ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert_eq!(libraries("\tnot a dynamic executable\n").count(), 0);
    }
}
