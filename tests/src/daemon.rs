//! A server that others wrote, as a process with a configuration of its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    netns::Netns,
    probe::{Family, Outcome, Probe, Transport},
    rig::Rig,
    wait,
};

/// How long a start may take.
const START: Duration = Duration::from_secs(10);
/// Not on the `PATH` of everyone.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"];

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// dnsmasq, a forwarder with a cache.
    Dnsmasq,
    /// Unbound, a recursive server.
    Unbound,
    /// BIND 9, an authoritative server.
    Bind,
}

/// A running server; killed on drop.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Kind {
    const fn program(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Unbound => "unbound",
            Self::Bind => "named",
        }
    }

    fn find(self) -> anyhow::Result<PathBuf> {
        let program = self.program();
        let mut places = FOLDERS.iter().map(|folder| Path::new(folder).join(program));
        places
            .find(|path| path.is_file())
            .with_context(|| format!("find {program}: run `cargo xtask setup`"))
    }

    /// What keeps it in the foreground and reads nothing but a file.
    fn arguments(self, configuration: &Path) -> Vec<String> {
        let file = configuration.display();
        match self {
            Self::Dnsmasq => {
                vec!["--keep-in-foreground".to_owned(), format!("--conf-file={file}")]
            }
            Self::Unbound => vec!["-d".to_owned(), "-c".to_owned(), file.to_string()],
            Self::Bind => vec!["-g".to_owned(), "-c".to_owned(), file.to_string()],
        }
    }

    /// What every configuration begins with: nothing of the machine's is read or written.
    fn preamble(self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::Dnsmasq => {
                "user=root\ngroup=root\npid-file=\nno-hosts\nno-resolv\nbind-interfaces\n\
                 local-ttl=300\nlog-facility=-\n"
                    .to_owned()
            }
            Self::Unbound => format!(
                "server:\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
                 directory: \"{folder}\"\n  do-daemonize: no\n  module-config: \"iterator\"\n  \
                 access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow\n"
            ),
            Self::Bind => format!(
                "options {{\n directory \"{folder}\";\n pid-file none;\n lock-file none;\n \
                 session-keyfile \"{folder}/session.key\";\n recursion no;\n \
                 dnssec-validation no;\n max-udp-size 4096;\n"
            ),
        }
    }
}

impl Daemon {
    /// Starts one in the world.
    ///
    /// # Errors
    ///
    /// That it is not installed, or does not answer; what it logged is in the error.
    pub fn in_world(
        rig: &Rig,
        kind: Kind,
        configuration: &str,
        at: SocketAddr,
    ) -> anyhow::Result<Self> {
        let program = kind.find()?;
        Self::start(rig, &rig.world, Command::new(program), kind, configuration, at)
    }

    /// Starts one in the workload: a stub of the node.
    ///
    /// # Errors
    ///
    /// As of [`Self::in_world`].
    pub fn in_workload(
        rig: &Rig,
        kind: Kind,
        configuration: &str,
        at: SocketAddr,
    ) -> anyhow::Result<Self> {
        let command = rig.command(kind.find()?)?;
        Self::start(rig, &rig.client, command, kind, configuration, at)
    }

    fn start(
        rig: &Rig,
        namespace: &Netns,
        mut command: Command,
        kind: Kind,
        configuration: &str,
        at: SocketAddr,
    ) -> anyhow::Result<Self> {
        let program = kind.program();
        let folder = rig.scratch().path();
        let text = format!("{}{configuration}", kind.preamble(folder));
        let file = rig.scratch().write(&format!("{program}.conf"), &text)?;
        let log = folder.join(format!("{program}.log"));
        let output = File::create(&log).context("make a server's log")?;
        command.args(kind.arguments(&file)).current_dir(folder).stdin(Stdio::null());
        command.stdout(output.try_clone().context("share a server's log")?).stderr(output);
        let mut daemon = Self { child: namespace.spawn(&mut command)?, log };
        // The asking thread is in no cgroup that is enforced: nothing is learned from this.
        let ready = Probe::lookup(at, "ready.test", Family::V4, Transport::Udp);
        let answers = || {
            if daemon.child.try_wait().ok()?.is_some() {
                return Some(false);
            }
            let report = namespace.run(|| Ok(ready.act())).ok()?;
            matches!(report.outcome, Outcome::Answered { .. }).then_some(true)
        };
        let is_ready = wait::until(&format!("{program} to answer"), START, answers);
        if is_ready.as_ref().is_ok_and(|it| *it) {
            return Ok(daemon);
        }
        let said = fs::read_to_string(&daemon.log).unwrap_or_default();
        anyhow::bail!("{program} at {at} does not answer:\n{said}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended, or it shall: nobody is left to be told of a failure.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
