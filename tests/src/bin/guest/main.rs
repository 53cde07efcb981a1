//! The first process of a virtual machine that `cargo xtask vm` starts.
//!
//! It mounts what the tests need, does what `/plan` says, and switches the machine off. What the
//! programs print goes to the second serial port, a whole line at a time; the first one is the
//! kernel's. The surprising thing is the end: [`WELL`] or [`FAILED`] is written to an IO port that
//! the emulator turns into its own exit code, and a machine that dies on the way says neither.

mod off;
mod plan;
mod relay;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::{self, Command, ExitCode},
};

use anyhow::Context as _;
use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
};

use self::{
    plan::{Plan, Step},
    relay::Relay,
};

/// QEMU's debug exit doubles the value and adds one: it exits with 33.
const WELL: u8 = 16;
/// QEMU exits with 35.
const FAILED: u8 = 17;
const PLAN: &str = "/plan";
const REPORTS: &str = "/dev/ttyS1";

/// What is mounted where. The root is in memory, and `/tmp` a folder of it.
const MOUNTS: [(&str, &str); 5] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

fn main() -> ExitCode {
    if process::id() != 1 {
        say("this is for the first process of a virtual machine: run `cargo xtask vm`");
        return ExitCode::FAILURE;
    }
    let code = match run() {
        Ok(true) => WELL,
        Ok(false) => FAILED,
        Err(error) => {
            say(&format!("{error:#}"));
            FAILED
        }
    };
    off::switch_off(code);
    // Still here: the kernel panics when its first process ends, which is no success either.
    ExitCode::FAILURE
}

/// Tells the kernel's console: the port for reports may be what is missing.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "guest: error: {line}"));
}

/// Whether every program ended well.
fn run() -> anyhow::Result<bool> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place).with_context(|| format!("make directory {place}"))?;
        mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mount {kind} at {place}"))?;
    }
    fs::create_dir_all("/tmp").context("make directory /tmp")?;
    let reports = File::options().write(true).open(REPORTS);
    let relay = Relay::new(reports.with_context(|| format!("open {REPORTS}"))?);
    let plan = fs::read_to_string(PLAN).with_context(|| format!("read {PLAN}"))?;
    let plan = Plan::parse(&plan)?;
    let mut is_well = true;
    for step in &plan.steps {
        match step {
            Step::Insert { module } => insert(module)?,
            Step::Count { object } => relay.count(&mut bpftool(&plan, object))?,
            Step::Run { label, program, arguments } => {
                is_well &= relay.run(label, command(&plan, program).args(arguments))?;
            }
        }
    }
    Ok(is_well)
}

fn insert(module: &Path) -> anyhow::Result<()> {
    let file = File::open(module).with_context(|| format!("open {}", module.display()))?;
    finit_module(&file, c"", ModuleInitFlags::empty())
        .with_context(|| format!("insert {}", module.display()))
}

/// Loads an object with all that the verifier has to say.
fn bpftool(plan: &Plan, object: &Path) -> Command {
    let mut bpftool = command(plan, Path::new("bpftool"));
    bpftool.args(["--debug", "prog", "loadall"]).arg(object).arg("/sys/fs/bpf/counted");
    bpftool
}

fn command(plan: &Plan, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.envs(plan.variables.iter().map(|(name, value)| (name, value)));
    command
}
