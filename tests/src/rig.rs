//! A whole world: both namespaces, the client's cgroup, a place for pins and files.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use enforcer::datapath::{LoadOptions, TcMode};

use crate::{
    agent::{Agent, Launch},
    binary,
    bpffs::Bpffs,
    capture::Capture,
    cgroup::{self, Cgroup},
    insider::Insider,
    link,
    netns::Netns,
    probe::{Probe, Report},
    reexec,
    scratch::{self, Scratch},
};

/// Two namespaces joined by a wire, and what the agent needs. Fields drop in order: processes
/// end before the pins and the namespaces they use.
#[derive(Debug)]
pub struct Rig {
    /// Where enforcement is attached and probes run.
    pub workload: Cgroup,
    /// Where agents run: beside the workload, so that no hook of a cgroup judges them.
    agents: Cgroup,
    /// Above both.
    top: Cgroup,
    bpffs: Bpffs,
    scratch: Scratch,
    /// The node under test.
    pub client: Netns,
    /// Everything else; it answers for every address.
    pub world: Netns,
}

/// What must be removed, for whoever cannot drop the [`Rig`]: a signal's handler.
#[derive(Debug, Clone)]
pub struct Remains {
    cgroup: PathBuf,
    scratch: PathBuf,
}

impl Remains {
    /// Kills the rig's processes and removes its cgroup, mount and files.
    pub fn remove(&self) {
        cgroup::remove(&self.cgroup);
        scratch::remove(&self.scratch);
    }
}

impl Rig {
    /// Makes one, after removing what killed runs left behind.
    ///
    /// # Errors
    ///
    /// What was refused on the way; what was made until then is removed.
    pub fn make() -> anyhow::Result<Self> {
        Cgroup::sweep();
        Scratch::sweep();
        let top = Cgroup::make()?;
        let workload = top.child("workload.slice")?;
        let agents = top.child("agents")?;
        let scratch = Scratch::make()?;
        let bpffs = Bpffs::mount(&scratch.path().join("bpf"))?;
        let client = Netns::make()?;
        let world = Netns::make()?;
        link::join(&client, &world)?;
        Ok(Self { workload, agents, top, bpffs, scratch, client, world })
    }

    /// What it leaves behind if it is never dropped.
    pub fn remains(&self) -> Remains {
        Remains { cgroup: self.top.path().to_owned(), scratch: self.scratch.path().to_owned() }
    }

    /// Runs a probe in the workload.
    ///
    /// # Errors
    ///
    /// That no process could be started, or that it did not report.
    pub fn probe(&self, probe: &Probe) -> anyhow::Result<Report> {
        self.probe_in(&self.workload, probe)
    }

    /// Runs a probe in a cgroup.
    ///
    /// # Errors
    ///
    /// That no process could be started, or that it did not report.
    pub fn probe_in(&self, cgroup: &Cgroup, probe: &Probe) -> anyhow::Result<Report> {
        Self::probe_at(cgroup, &self.client, probe)
    }

    /// Runs a probe in the workload, in another network namespace than the client's.
    ///
    /// # Errors
    ///
    /// That no process could be started, or that it did not report.
    pub fn probe_from(&self, namespace: &Netns, probe: &Probe) -> anyhow::Result<Report> {
        Self::probe_at(&self.workload, namespace, probe)
    }

    fn probe_at(cgroup: &Cgroup, namespace: &Netns, probe: &Probe) -> anyhow::Result<Report> {
        let mut command = reexec::probe_command(cgroup.path(), probe)?;
        let done = namespace.output(&mut command)?;
        let said = String::from_utf8_lossy(&done.stderr);
        anyhow::ensure!(done.status.success(), "a probe ended: {}", said.trim());
        serde_json::from_slice(&done.stdout).context("read a probe's report")
    }

    /// A process of the workload that lends its sockets, in a network namespace.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn insider(&self, namespace: &Netns) -> anyhow::Result<Insider> {
        self.insider_in(&self.workload, namespace)
    }

    /// As [`Self::insider`], of a cgroup.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn insider_in(&self, cgroup: &Cgroup, namespace: &Netns) -> anyhow::Result<Insider> {
        Insider::start(cgroup.path(), namespace)
    }

    /// A process beside the workload, that no hook of a cgroup judges.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn outsider(&self, namespace: &Netns) -> anyhow::Result<Insider> {
        Insider::start(self.agents.path(), namespace)
    }

    /// A process of the workload without any privilege, which has made namespaces of its own.
    ///
    /// # Errors
    ///
    /// That it could not be started, or that this machine lets no user make namespaces.
    pub fn insider_alone(&self) -> anyhow::Result<Insider> {
        Insider::start_alone(self.workload.path(), &self.client)
    }

    /// A command that runs a program in the workload and in the client's namespace; it is started
    /// with [`Netns::spawn`] or [`Netns::output`] of [`Rig::client`].
    ///
    /// # Errors
    ///
    /// That the program with the hidden verbs is missing.
    pub fn command(&self, program: impl AsRef<Path>) -> anyhow::Result<Command> {
        reexec::command(self.workload.path(), program.as_ref())
    }

    /// Counts what arrives in the world from here on.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn capture(&self) -> anyhow::Result<Capture> {
        Capture::start(&self.world)
    }

    /// Starts an agent on the workload and waits until it is ready.
    ///
    /// # Errors
    ///
    /// That it did not become ready, with what it logged.
    pub fn agent(&self, policy: &str) -> anyhow::Result<Agent<'_>> {
        self.agent_with(policy, &[])
    }

    /// As [`Self::agent`], with further arguments.
    ///
    /// # Errors
    ///
    /// That it did not become ready, with what it logged.
    pub fn agent_with(&self, policy: &str, arguments: &[&str]) -> anyhow::Result<Agent<'_>> {
        let agent = self.launch(policy, arguments)?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// Starts an agent with further arguments and does not wait for it.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn launch(&self, policy: &str, arguments: &[&str]) -> anyhow::Result<Agent<'_>> {
        Agent::launch(self.place(), &binary::enforcer()?, policy, arguments)
    }

    /// Starts an agent that leaves measures against poisoning out
    /// ([`enforcer_common::measure`]), and waits until it is ready.
    ///
    /// # Errors
    ///
    /// That it did not come so far.
    pub fn agent_without(&self, measures: u32, policy: &str) -> anyhow::Result<Agent<'_>> {
        let without = ["--without", &measures.to_string()];
        let agent = Agent::launch(self.place(), &binary::weak()?, policy, &without)?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// Starts the agent whose maps are laid out otherwise, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// That it did not come so far.
    pub fn agent_of_other_layout(
        &self,
        policy: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Agent<'_>> {
        let program = binary::other_layout()?;
        let mut agent = Agent::launch(self.place(), &program, policy, arguments)?;
        agent.command_line = program;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// Starts an agent that is in the workload itself, as on a node, where it is attached to the
    /// root; and waits until it is ready.
    ///
    /// # Errors
    ///
    /// That it did not come so far.
    pub fn agent_inside(&self, policy: &str) -> anyhow::Result<Agent<'_>> {
        let place = Launch { home: self.workload.path(), ..self.place() };
        let agent = Agent::launch(place, &binary::enforcer()?, policy, &[])?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    fn place(&self) -> Launch<'_> {
        Launch {
            namespace: &self.client,
            home: self.agents.path(),
            enforced: self.workload.path(),
            bpffs: self.pins(),
            scratch: &self.scratch,
        }
    }

    /// How a datapath on the workload is loaded without an agent: for few addresses, and no devices.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            bpffs: self.pins(),
            cgroup: self.workload.path().to_owned(),
            max_addresses: 1_024,
            hosts: 0,
            without: 0,
            judges_uplinks: false,
            tc_mode: TcMode::of_kernel(),
        }
    }

    /// The folder of pins.
    pub fn pins(&self) -> PathBuf {
        self.bpffs.path().join("enforcer")
    }

    /// Files of this test.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// A process in the workload that does nothing until it is killed.
    ///
    /// # Errors
    ///
    /// That it could not be started.
    pub fn idle(&self) -> anyhow::Result<std::process::Child> {
        let mut command = self.command("/bin/sleep")?;
        command.arg("infinity").stdin(Stdio::null()).stdout(Stdio::null());
        self.client.spawn(&mut command)
    }
}
