//! Network namespaces without names.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    panic,
    process::{self, Child, Command, Output, Stdio},
    thread,
};

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace. It lives as long as this, the sockets made in it and the processes
/// started in it.
#[derive(Debug)]
pub struct Netns {
    handle: File,
}

impl Netns {
    /// Makes one with its loopback device up.
    ///
    /// # Errors
    ///
    /// What the kernel refused; it needs `CAP_SYS_ADMIN`.
    pub fn make() -> anyhow::Result<Self> {
        // A thread can be in a namespace of its own; this one takes its way in with it and ends.
        let opened = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            File::open("/proc/thread-self/ns/net").context("open /proc/thread-self/ns/net")
        });
        let handle = opened.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?;
        let namespace = Self { handle };
        namespace.configure(["link set lo up"])?;
        Ok(namespace)
    }

    /// Acts inside: sockets that are made there stay there.
    ///
    /// # Errors
    ///
    /// That the namespace cannot be entered, or what the action says.
    pub fn run<T: Send>(
        &self,
        act: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.handle, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
                act()
            });
            inside.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        })
    }

    /// Starts a process inside.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn spawn(&self, command: &mut Command) -> anyhow::Result<Child> {
        let program = command.get_program().display().to_string();
        self.run(|| command.spawn().with_context(|| format!("start {program}")))
    }

    /// Runs a program inside to its end, and gives what it printed.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn output(&self, command: &mut Command) -> anyhow::Result<Output> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn(command)?.wait_with_output().context("wait for a program")
    }

    /// Runs commands of `ip`, one a line.
    ///
    /// # Errors
    ///
    /// The commands, and what `ip` said about them.
    pub fn configure(&self, lines: impl IntoIterator<Item: AsRef<str>>) -> anyhow::Result<()> {
        for line in lines {
            let line = line.as_ref();
            let mut command = Command::new("ip");
            command.args(line.split_whitespace());
            let done = self.output(&mut command)?;
            let said = String::from_utf8_lossy(&done.stderr);
            anyhow::ensure!(done.status.success(), "`ip {line}`: {}", said.trim());
        }
        Ok(())
    }

    /// Sets a switch of the network stack, such as `ipv4/ip_forward`.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn set(&self, switch: &str, value: &str) -> anyhow::Result<()> {
        let path = format!("/proc/sys/net/{switch}");
        self.run(|| fs::write(&path, value).with_context(|| format!("write {value} to {path}")))
    }

    /// A path by which other processes find the namespace while this lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.handle.as_raw_fd())
    }

    /// Its number in the kernel.
    ///
    /// # Errors
    ///
    /// That it cannot be read.
    pub fn number(&self) -> anyhow::Result<u64> {
        Ok(self.handle.metadata().context("read the namespace's number")?.ino())
    }
}
