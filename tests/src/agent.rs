//! The agent as a user runs it: a process, its log, its command line, its metrics.

mod log;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use self::log::Log;
use crate::{binary, http, netns::Netns, reexec, scratch::Scratch, wait};

/// How long a start may take: 10,000 names are resolved in it.
const START: Duration = Duration::from_secs(30);
/// How long an end may take.
const END: Duration = Duration::from_secs(5);
/// The port of metrics, on the client's loopback: each rig has its own.
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9469);
const POLICY: &str = "policy.yaml";

/// Where and on what an agent runs.
pub(crate) struct Launch<'a> {
    pub(crate) namespace: &'a Netns,
    /// The cgroup that it runs in.
    pub(crate) home: &'a Path,
    /// The cgroup that it attaches to.
    pub(crate) enforced: &'a Path,
    pub(crate) bpffs: PathBuf,
    pub(crate) scratch: &'a Scratch,
}

/// A started agent. Drop kills it, which leaves enforcement as it is until the rig goes.
pub struct Agent<'a> {
    namespace: &'a Netns,
    scratch: &'a Scratch,
    bpffs: PathBuf,
    /// The program whose verbs read its pins.
    pub(crate) command_line: PathBuf,
    child: Child,
    log: Log,
}

impl<'a> Agent<'a> {
    pub(crate) fn launch(
        launch: Launch<'a>,
        program: &Path,
        policy: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let policy = launch.scratch.write(POLICY, policy)?;
        let mut command = reexec::command(launch.home, program)?;
        command.arg("run").arg("--policy").arg(policy);
        command.arg("--cgroup").arg(launch.enforced);
        command.arg("--bpffs").arg(&launch.bpffs);
        command.args(["--metrics", &METRICS.to_string(), "--log-format", "text"]);
        command.args(arguments).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = launch.namespace.spawn(&mut command)?;
        let log = Log::of(child.stderr.take().context("read the agent's log")?);
        let Launch { namespace, scratch, bpffs, .. } = launch;
        let command_line = binary::enforcer()?;
        Ok(Self { namespace, scratch, bpffs, command_line, child, log })
    }

    /// Waits for the line that says `ready`.
    ///
    /// # Errors
    ///
    /// That it ended or the time is over, with what it logged.
    pub fn wait_until_ready(&self) -> anyhow::Result<()> {
        self.wait_until_ready_within(START)
    }

    /// As [`Self::wait_until_ready`], for a start that takes longer than any other.
    ///
    /// # Errors
    ///
    /// That it ended or the time is over, with what it logged.
    pub fn wait_until_ready_within(&self, patience: Duration) -> anyhow::Result<()> {
        self.wait_for_line_within(patience, "`ready`", |line| {
            line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ready")
        })
    }

    /// Waits for a line of the log, those already there included.
    ///
    /// # Errors
    ///
    /// That it ended or the time is over, with what it logged.
    pub fn wait_for_line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        self.wait_for_line_within(START, what, is_it)
    }

    fn wait_for_line_within(
        &self,
        patience: Duration,
        what: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let found = wait::until(what, patience, || {
            let has_ended = self.log.has_ended();
            if self.log.lines().iter().any(|line| is_it(line)) {
                return Some(true);
            }
            has_ended.then_some(false)
        });
        match found {
            Ok(true) => Ok(()),
            Ok(false) => anyhow::bail!("the agent ended before {what}:\n{}", self.log),
            Err(error) => Err(error.context(format!("the agent logged:\n{}", self.log))),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// How many lines it has logged.
    pub fn log_length(&self) -> usize {
        self.log.length()
    }

    /// What it has logged behind so many lines.
    pub fn log_after(&self, count: usize) -> Vec<String> {
        self.log.lines_after(count)
    }

    /// Its policy file.
    pub fn policy_path(&self) -> PathBuf {
        self.scratch.path().join(POLICY)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes (`VmRSS`); `None` once it is gone.
    pub fn memory(&self) -> Option<u64> {
        self.status_bytes("VmRSS:")
    }

    /// The most resident memory that it had, in bytes (`VmHWM`); `None` once it is gone.
    pub fn most_memory(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Replaces its policy file, and does nothing else.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn write_policy(&self, policy: &str) -> anyhow::Result<()> {
        self.scratch.write(POLICY, policy).map(drop)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// That it is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).context("read the agent's process id")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("send {signal} to the agent"))
    }

    /// Stops it (`SIGSTOP`), and waits until it is stopped.
    ///
    /// # Errors
    ///
    /// That it is gone, or does not stop in time.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        let path = format!("/proc/{}/stat", self.pid());
        wait::until_true("the agent to be stopped", END, || {
            let stat = std::fs::read_to_string(&path).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Ends it without a warning (`SIGKILL`), and waits until it is gone.
    ///
    /// # Errors
    ///
    /// That it cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("kill the agent")?;
        self.child.wait().map(drop).context("wait for the agent")
    }

    /// Asks it to end (`SIGTERM`), and waits.
    ///
    /// # Errors
    ///
    /// That it does not end in time.
    pub fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Waits until it has ended and all that it logged has been read.
    ///
    /// # Errors
    ///
    /// That it does not end in time.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = wait::until("the agent to end", END, || self.child.try_wait().ok().flatten())?;
        wait::until_true("the end of the agent's log", END, || self.log.has_ended())?;
        Ok(ended)
    }

    /// Runs a verb of the command line on this agent's pins.
    ///
    /// # Errors
    ///
    /// That it could not be started; its exit code is the caller's to judge.
    pub fn cli(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.command_line);
        command.args(arguments).arg("--bpffs").arg(&self.bpffs).env("NO_COLOR", "1");
        self.namespace.output(&mut command)
    }

    /// `status -o json`.
    ///
    /// # Errors
    ///
    /// What it printed instead.
    pub fn status(&self) -> anyhow::Result<serde_json::Value> {
        self.json(&["status", "-o", "json"])
    }

    /// `names -o json`.
    ///
    /// # Errors
    ///
    /// What it printed instead.
    pub fn names(&self) -> anyhow::Result<serde_json::Value> {
        self.json(&["names", "-o", "json"])
    }

    /// `explain -o json` of a destination, such as `mcr.microsoft.com:443/tcp`.
    ///
    /// # Errors
    ///
    /// What it printed instead.
    pub fn explain(&self, destination: &str) -> anyhow::Result<serde_json::Value> {
        self.json(&["explain", destination, "-o", "json"])
    }

    /// What `/metrics` answers, in the classic text format.
    ///
    /// # Errors
    ///
    /// That nobody answers, or another code than 200.
    pub fn metrics(&self) -> anyhow::Result<String> {
        let (code, body) = self.get("/metrics")?;
        anyhow::ensure!(code == 200, "/metrics answered {code}: {body}");
        Ok(body)
    }

    /// The code and body that a path of the metrics address answers with.
    ///
    /// # Errors
    ///
    /// That nobody answers.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.namespace.run(|| http::get(METRICS, path))
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let done = self.cli(arguments)?;
        serde_json::from_slice(&done.stdout).with_context(|| {
            let said = String::from_utf8_lossy(&done.stderr);
            format!("read `enforcer {}` ({}): {}", arguments.join(" "), done.status, said.trim())
        })
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // An agent that has ended is none to kill.
        drop(self.kill());
    }
}
