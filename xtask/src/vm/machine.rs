//! One run of one kernel in an emulator, as its serial ports tell it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::said::Said;

/// The exit code that a guest asks for when all is well; see `enforcer-guest`.
const WELL: i32 = 33;
/// How long a machine may take, boot to end.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How many of the kernel's last lines are shown where a machine died.
const LAST_LINES: usize = 25;

/// How a machine ended.
pub(super) struct Ended {
    pub(super) said: Said,
    /// Why it is none that ended well, whatever its tests said.
    pub(super) fault: Option<String>,
    pub(super) took: Duration,
}

/// Boots a kernel and waits for its end. `log` takes what the tests print, and `LOG.console` what
/// the kernel does.
pub(super) fn run(kernel: &Path, initrd: &Path, log: &Path) -> Result<Ended> {
    let console = log.with_extension("console");
    let mut file = File::create(log).with_context(|| format!("write {}", log.display()))?;
    let began = Instant::now();
    let mut child = qemu(kernel, initrd, &console).spawn().context("start qemu-system-x86_64")?;
    let output = child.stdout.take().context("read what the machine says")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut said = Said::default();
    let is_in_time = loop {
        match receiver.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                let line = line.trim_end_matches('\r');
                writeln!(file, "{line}").with_context(|| format!("write {}", log.display()))?;
                said.hear(line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break true,
            Err(mpsc::RecvTimeoutError::Timeout) => break false,
        }
    };
    if !is_in_time {
        child.kill().context("end a machine that takes too long")?;
    }
    let status = child.wait().context("wait for qemu-system-x86_64")?;
    let reason = match (is_in_time, status.code()) {
        (true, Some(WELL)) => None,
        // The tests that failed speak for themselves.
        (true, Some(_)) if said.has_failures() && said.is_over() => None,
        (true, _) => Some(format!("the machine ended by itself ({status})")),
        (false, _) => Some(format!("the machine was ended after {} s", PATIENCE.as_secs())),
    };
    let fault =
        reason.map(|reason| format!("{reason}; its kernel's last words:\n{}", end_of(&console)));
    Ok(Ended { said, fault, took: began.elapsed() })
}

fn qemu(kernel: &Path, initrd: &Path, console: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    // An emulator without the host's help is the only one that works everywhere, and a list with
    // a fallback hangs where /dev/kvm is there and does not do.
    qemu.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]);
    qemu.args(["-m", "1536", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    qemu.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    // Modules of tunnels put a device of each kind into every namespace, unless this is said.
    qemu.args(["-append", "console=ttyS0 quiet panic=-1 fb_tunnels=none"]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped());
    qemu
}

fn end_of(console: &Path) -> String {
    let text = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}
