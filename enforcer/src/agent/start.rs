//! The start of the agent: in steps, and what fails undoes the steps before it.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use sd_notify::NotifyState;
use tokio::{
    sync::{mpsc, watch as latest},
    time::Instant,
};

use super::{
    Agent, Options, PolicyFile, WAITING_ANSWERS,
    enforcement::{Enforcement, Prepared},
    handover::Questions,
    refusal::Refusal,
    report::Circumstances,
    serve, servers,
    signals::{Request, Signals},
    workloads::Workloads,
};
use crate::{
    datapath::{
        self, BootTime, Claim, Datapath, LoadOptions, TcMode,
        document::{AgentInfo, Reloads},
        preflight,
    },
    metrics::Health,
    policy::compile::Slots,
    resolver::{Resolver, Servers},
    uplink::{Choice, Watch as UplinkWatch},
};

/// What holds from the start of the agent until it is ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnStart {
    /// What an earlier start left goes on; where nothing did, nothing leaves but what the policy
    /// allows, by addresses alone until its names are resolved, and nothing at all if the policy
    /// is not valid
    Deny,
    /// What an earlier start left goes on; where nothing did, everything leaves
    #[default]
    Previous,
    /// Everything leaves: what an earlier start left is removed first
    Open,
}

impl Agent {
    /// `None`: a signal came before it was ready, and nothing of the start is left.
    pub(super) async fn start(
        options: &Options,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<Self>> {
        let file = options.policy.clone();
        let cgroup = preflight::check(options.cgroup.as_deref(), &options.bpffs)?;
        let root = preflight::cgroup2_root().unwrap_or_else(|| cgroup.clone());
        let servers = servers(&file).unwrap_or_else(|error| {
            // Enforced all the same: a node that starts before its network must not stay open.
            tracing::warn!("{error:#}; until there is one, no name is resolved");
            Servers { trusted: Vec::new(), asked: Vec::new() }
        });
        let (health, healthy) = latest::channel(Health::Starting);
        // Before anything is loaded: an address that is taken is a common mistake.
        let listener = serve::bind(options.metrics).await?;
        let mut uplinks = UplinkWatch::new(options.tc.clone())?;
        // Before anything is loaded: a misspelt device is a common mistake, too.
        uplinks.find_all().await.context("find the devices of --tc")?;

        let mut claim = Claim::take(&options.bpffs)?;
        if options.on_start == OnStart::Open {
            open(&mut claim)?;
        }
        let is_closed_at_once = options.on_start == OnStart::Deny && !claim.is_in_force();
        let prepared = prepare(&mut claim, file, &servers.trusted)?;
        let load = LoadOptions {
            bpffs: options.bpffs.clone(),
            cgroup: cgroup.clone(),
            max_addresses: options.max_addresses,
            hosts: prepared.hosts(),
            without: options.without,
            judges_uplinks: options.tc != Choice::None,
            tc_mode: options.tc_mode.unwrap_or_else(TcMode::of_kernel),
        };
        say_memory(&load)?;
        let datapath = Datapath::load(&load, claim, BootTime::now())?;
        let enforcement = Enforcement::start(datapath, prepared, Workloads::new(root.clone()))?;
        let (sender, answers) = mpsc::channel(WAITING_ANSWERS);
        let settings = enforcement.file.policy.dns.clone();
        let resolver = Resolver::spawn(settings, servers.asked.clone(), sender);
        resolver.set_names(enforcement.names());
        let circumstances = Circumstances {
            agent: AgentInfo {
                pid: std::process::id(),
                pid_namespace: datapath::pid_namespace(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started_at: Timestamp::now(),
            },
            cgroup: below(&root, &cgroup),
            uplinks: Vec::new(),
            unjudged: Vec::new(),
            restored: 0,
            reloads: Reloads::default(),
            not_restored: Vec::new(),
            is_unloaded: false,
            resolvers: servers.trusted.clone(),
            loaded_at: Timestamp::now(),
            reload_error: None,
        };
        // Who asks while the agent starts is told that it does.
        serve::spawn(listener, options.bpffs.clone(), healthy);
        let started = Instant::now();
        let rings = enforcement
            .datapath
            .handover()
            .and_then(|handover| Ok((handover, enforcement.datapath.refused_connections()?)))
            .context("open the kernel's rings");
        let (questions, refusal) = match rings {
            Ok((handover, refused)) => (Questions::new(handover), Refusal::start(refused)),
            Err(error) => {
                enforcement.datapath.discard();
                return Err(error);
            }
        };
        let mut agent = Self {
            enforcement,
            circumstances,
            servers,
            resolver,
            answers,
            questions,
            uplinks,
            _refusal: refusal,
            health,
            started,
        };
        match agent.become_ready(is_closed_at_once, options.ready_timeout, signals).await {
            Ok(true) => Ok(Some(agent)),
            Ok(false) => {
                let end = if agent.enforcement.datapath.is_in_force() {
                    "the kernel goes on enforcing"
                } else {
                    "nothing of it is attached"
                };
                tracing::info!("the agent ends before it is ready; {end}");
                agent.enforcement.datapath.discard();
                Ok(None)
            }
            Err(error) => {
                agent.enforcement.datapath.discard();
                Err(error)
            }
        }
    }

    /// Waits for names, then attaches; `false`: a signal came first.
    async fn become_ready(
        &mut self,
        is_closed_at_once: bool,
        patience: Duration,
        signals: &mut Signals,
    ) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        if is_closed_at_once {
            self.beat()?;
            self.attach().await?;
            // Whoever is ordered behind this service, such as the network, is told to go on: the
            // names cannot be resolved before.
            self.tell_manager(Some(NotifyState::Ready));
            tracing::info!("nothing leaves but what the policy allows; names are being resolved");
        }
        let mut progress = self.resolver.progress();
        let wanted = self.enforcement.tables.names.exact.len();
        loop {
            let is_settled = {
                let progress = progress.borrow_and_update();
                progress.names == wanted && progress.settled == wanted
            };
            if is_settled && self.answers.is_empty() {
                break;
            }
            tokio::select! {
                answer = self.answers.recv() => self.take(&answer.context("the resolver ended")?)?,
                () = self.enforcement.workloads.changed() => self.enforcement.follow_workloads()?,
                _ = progress.changed() => {}
                request = signals.next() => {
                    if request == Request::End {
                        return Ok(false);
                    }
                    // A changed policy file is looked at as soon as the agent is ready.
                }
                () = tokio::time::sleep_until(deadline) => {
                    let progress = progress.borrow();
                    tracing::warn!(
                        resolved = progress.resolved, names = progress.names,
                        "not every name is resolved yet; the rest is retried while enforcing"
                    );
                    break;
                }
            }
        }
        if !self.enforcement.datapath.is_in_force() {
            self.beat()?;
            self.attach().await?;
        }
        let generation = self.enforcement.datapath.generation();
        let policy = &self.enforcement.file.policy;
        let waited_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            generation, policy = %policy.name, mode = %policy.mode, rules = policy.rules.len(),
            cgroup = %self.circumstances.cgroup, uplinks = %self.uplink_names(), waited_ms, "ready"
        );
        self.health.send_replace(Health::Ready);
        self.tell_manager(Some(NotifyState::Ready));
        Ok(true)
    }
}

/// Says what memory the maps take, before they take it.
fn say_memory(load: &LoadOptions) -> anyhow::Result<()> {
    let memory = load.memory().context("compute the memory of the maps")?;
    tracing::info!(
        at_start = %memory.at_start, at_most = %memory.at_most, addresses = %memory.addresses,
        max_addresses = load.max_addresses,
        "memory of the kernel's maps: at_start now, at_most when all are full, addresses of that \
         for max_addresses; what is not used is not taken"
    );
    Ok(())
}

/// Removes what an earlier start left.
fn open(claim: &mut Claim) -> anyhow::Result<()> {
    let removed = claim.clear().context("remove what an earlier start left")?;
    if removed.links > 0 {
        tracing::warn!(
            hooks = removed.links,
            "what an earlier start enforced is removed (--on-start open); nothing is until ready"
        );
    }
    Ok(())
}

/// Compiles the first policy for the slots that an earlier start's rules have, where there are any.
fn prepare(
    claim: &mut Claim,
    file: PolicyFile,
    trusted: &[SocketAddr],
) -> anyhow::Result<Prepared> {
    let rules = claim.rules().iter().map(|rule| (rule.digest.as_str(), rule.slot));
    let slots = Slots::inherited(rules, claim.occupied());
    let prepared = Prepared::new(file.clone(), trusted, slots);
    if prepared.is_ok() || claim.occupied().is_empty() {
        return prepared;
    }
    let anew = Prepared::new(file, trusted, Slots::default())?;
    tracing::warn!(
        "too many rules are new to keep the slots of the others: nothing that an earlier start \
         has learned or counted is kept"
    );
    claim.forgo();
    Ok(anew)
}

/// A cgroup's path as a policy would write it.
fn below(root: &Path, cgroup: &Path) -> String {
    cgroup
        .strip_prefix(root)
        .map_or_else(|_outside| cgroup.display().to_string(), |path| format!("/{}", path.display()))
}
