//! The world of a race: a name server, a peer that accepts everything, an agent.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use nix::sys::socket::{Backlog, listen};

use super::{PORT, RESOLVERS, Report, Task, ZONE};
use crate::{
    agent::Agent,
    reexec,
    responder::Responder,
    rig::Rig,
    service::{Service, wake_up},
};

/// What a race runs in.
pub(crate) struct Stage {
    _responder: Responder,
    _acceptor: Service,
    pub(crate) rig: Rig,
}

/// An agent that a race looks at.
pub(crate) struct Racing<'a>(Agent<'a>);

impl Stage {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let rig = Rig::make()?;
        let servers = RESOLVERS.map(|address| SocketAddr::new(address, 53));
        let responder = Responder::start(&rig.world, servers)?;
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
        let listener =
            rig.world.run(|| TcpListener::bind(address).context("bind the peer's port"))?;
        // As many as the kernel allows: a full queue makes it drop a SYN, which is no loser's.
        listen(&listener, Backlog::MAXALLOWABLE).context("listen with a long queue")?;
        wake_up(&listener)?;
        // Connections end as soon as they are there: nothing is to be said on them.
        let acceptor = Service::start(move |stop| {
            while !stop.is_asked() {
                drop(listener.accept());
            }
        });
        Ok(Self { _responder: responder, _acceptor: acceptor, rig })
    }

    /// Runs a task in the workload, to its end.
    pub(crate) fn run(&self, task: &Task) -> anyhow::Result<Report> {
        let mut command = reexec::race_command(self.rig.workload.path(), task)?;
        let done = self.rig.client.output(&mut command)?;
        let said = String::from_utf8_lossy(&done.stderr);
        anyhow::ensure!(done.status.success(), "a client ended: {}", said.trim());
        serde_json::from_slice(&done.stdout).context("read a client's report")
    }

    /// Starts an agent that allows the names of [`ZONE`], with room for so many addresses of them:
    /// one rule has half of the map.
    pub(crate) fn agent(&self, addresses: u32) -> anyhow::Result<Racing<'_>> {
        let room = (addresses * 2).to_string();
        self.agent_with(&policy(), &["--max-addresses", &room])
    }

    /// Starts an agent with another policy.
    pub(crate) fn agent_with(
        &self,
        policy: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Racing<'_>> {
        Ok(Racing(self.rig.agent_with(policy, arguments)?))
    }
}

impl Racing<'_> {
    /// `status -o json`.
    pub(crate) fn status(&self) -> anyhow::Result<serde_json::Value> {
        self.0.status()
    }

    /// `names -o json`.
    pub(crate) fn names(&self) -> anyhow::Result<serde_json::Value> {
        self.0.names()
    }

    /// `/metrics`.
    pub(crate) fn metrics(&self) -> anyhow::Result<String> {
        self.0.metrics()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.log()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Its resident memory in bytes; `None` once it is gone.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.0.memory()
    }

    /// Ends it, and enforcement.
    pub(crate) fn unload(&mut self) -> anyhow::Result<()> {
        self.0.terminate()?;
        let done = self.0.cli(&["unload"])?;
        anyhow::ensure!(done.status.success(), "unload ended with {}", done.status);
        Ok(())
    }

    /// How many addresses of names there are.
    pub(crate) fn addresses(&self) -> anyhow::Result<u64> {
        let status = self.0.status()?;
        let found = status.pointer("/dns/addresses").and_then(serde_json::Value::as_u64);
        found.with_context(|| format!("find /dns/addresses in {status}"))
    }

    /// Stops the process (`SIGSTOP`), and waits until it is.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.0.stop()
    }
}

fn policy() -> String {
    let [first, second] = RESOLVERS;
    format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: race}}\nspec:\n  \
         virtualRanges: []\n  dns: {{resolvers: [{first}, '{second}']}}\n  \
         allowPrivateAnswers: true\n  rules:\n    \
         - {{name: race, to: [{{fqdn: '*.{ZONE}'}}], ports: [tcp/{PORT}]}}\n"
    )
}
