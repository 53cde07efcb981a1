//! Hands on what programs print, in whole lines, whichever stream they come from.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, wait},
    },
    unistd::Pid,
};

/// The port that reports go to.
pub(crate) struct Relay(Mutex<File>);

impl Relay {
    pub(crate) fn new(port: File) -> Self {
        Self(Mutex::new(port))
    }

    /// Runs a program to its end, between two lines that name it. Whether it ended well.
    pub(crate) fn run(&self, label: &str, command: &mut Command) -> anyhow::Result<bool> {
        self.line(&format!("guest: {label} begins"));
        let code = play(command, |line| self.line(line))?;
        self.line(&format!("guest: {label} ends with {code}"));
        Ok(code == 0)
    }

    /// Runs bpftool in its debug mode, and says of each program what the tests say where the
    /// kernel tells them. A kernel or an object that it cannot cope with has no figures then.
    pub(crate) fn count(&self, command: &mut Command) -> anyhow::Result<()> {
        let loading = Mutex::new(Loading::default());
        play(command, |line| {
            let mut loading = loading.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((program, count)) = loading.hear(line) {
                self.line(&format!("verifier: {program} {count} instructions"));
            }
        })
        .map(drop)
    }

    fn line(&self, line: &str) {
        let mut port = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A machine whose port is broken is one whose tests are missing.
        drop(port.write_all(format!("{line}\n").as_bytes()));
    }
}

/// Runs a program, hands each of its lines on, and gives its exit code; 255 for a signal.
fn play(command: &mut Command, hand_on: impl Fn(&str) + Sync) -> anyhow::Result<i32> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().display().to_string();
    let mut child = command.spawn().with_context(|| format!("start {program}"))?;
    let pid = Pid::from_raw(i32::try_from(child.id()).context("read a process id")?);
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|it| Box::new(it) as _),
        child.stderr.take().map(|it| Box::new(it) as _),
    ];
    thread::scope(|scope| {
        for stream in streams.into_iter().flatten() {
            let hand_on = &hand_on;
            scope.spawn(move || {
                for line in BufReader::new(stream).split(b'\n') {
                    let Ok(line) = line else { break };
                    hand_on(&String::from_utf8_lossy(&line));
                }
            });
        }
        let code = wait_for(pid);
        // Whoever it left behind may hold its streams open.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        code
    })
}

/// Waits for one child, and for every orphan that the first process inherits meanwhile.
fn wait_for(child: Pid) -> anyhow::Result<i32> {
    loop {
        let ended = wait().context("wait for a program")?;
        if ended.pid() == Some(child) {
            return Ok(if let WaitStatus::Exited(_, code) = ended { code } else { 255 });
        }
    }
}

/// The program that bpftool has the kernel load.
#[derive(Default)]
struct Loading {
    program: String,
    is_refused: bool,
}

impl Loading {
    /// Takes a line into account, and gives the program and its count where the line tells it.
    ///
    /// `libbpf: prog 'egress_skb': -- BEGIN PROG LOAD LOG --` stands before
    /// `processed 26075 insns (limit 1000000) ...`, and `load failed` for that program before both
    /// where it was refused: the verifier has then walked a part of it.
    fn hear(&mut self, line: &str) -> Option<(&str, u32)> {
        if let Some((program, what)) =
            line.split_once("prog '").and_then(|it| it.1.split_once("': "))
        {
            let goes_on = self.program == program && self.is_refused;
            self.is_refused = goes_on || what.contains("load failed");
            program.clone_into(&mut self.program);
            return None;
        }
        let count = line.strip_prefix("processed ")?.split_once(" insns")?.0.parse().ok()?;
        (!self.is_refused).then_some((self.program.as_str(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_count_by_what_bpftool_prints_unless_they_were_refused() {
        let lines = [
            ("libbpf: prog 'a': -- BEGIN PROG LOAD LOG --", None),
            ("processed 26075 insns (limit 1000000) max_states_per_insn 12", Some(("a", 26_075))),
            ("libbpf: prog 'b': BPF program load failed: Invalid argument", None),
            ("libbpf: prog 'b': -- BEGIN PROG LOAD LOG --", None),
            ("processed 505 insns (limit 1000000) max_states_per_insn 12", None),
            ("libbpf: prog 'c': -- BEGIN PROG LOAD LOG --", None),
            ("a packet was processed", None),
            ("processed 7 insns (limit 1000000)", Some(("c", 7))),
        ];
        let mut loading = Loading::default();

        for (line, expected) in lines {
            assert_eq!(loading.hear(line), expected, "{line}");
        }
    }
}
