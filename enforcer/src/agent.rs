//! The agent: ties policy, resolver, datapath and metrics together, and keeps them together.
//!
//! A start is in steps, and what fails undoes the steps before it: read and check the policy,
//! load programs and maps, fill the maps, resolve the exact names for a bounded while, attach.
//! Only then is the agent ready. From there on it is one loop over one task's state: answers of
//! the resolver, changes of the policy file, signals, and a tick each second.
//!
//! The surprising thing: the agent is not needed. It may be killed at any moment; the kernel goes
//! on judging by the maps as they are. So nothing here may leave the maps in a state that is not
//! fit to stay, and nothing here is on the way of a packet.

mod connections;
mod enforcement;
mod guard;
mod handover;
mod policy_file;
mod refusal;
mod report;
mod room;
mod serve;
mod signals;
mod start;
mod uplinks;
mod watch;
mod workloads;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use sd_notify::NotifyState;
use tokio::{
    sync::{mpsc, watch as latest},
    time::{Instant, MissedTickBehavior, interval},
};

use self::{
    enforcement::Enforcement,
    handover::{Asked as AskedQuestion, Questions},
    refusal::Refusal,
    report::Circumstances,
    signals::{Request, Signals},
    watch::Watch,
};
pub use self::{
    policy_file::{PolicyFile, PolicyFileError},
    start::OnStart,
};
use crate::{
    datapath::{self, BootTime, TcMode},
    metrics::Health,
    policy::Mode,
    resolver::{self, Progress, Resolution, Resolver, Servers},
    uplink::{Choice, Watch as UplinkWatch},
};

/// Sign of life, document, cgroups.
const TICK: Duration = Duration::from_secs(1);
/// Housekeeping.
const SWEEP: Duration = Duration::from_secs(10);
/// Answers that may wait for the agent; the resolver waits when it is full.
const WAITING_ANSWERS: usize = 1_024;
/// Answers written before the loop looks at anything else.
const ANSWERS_AT_ONCE: usize = 256;

/// How the agent is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The policy, read already.
    pub policy: PolicyFile,
    /// The cgroup v2 directory to attach to; `None`: the root.
    pub cgroup: Option<PathBuf>,
    /// Which devices are judged.
    pub tc: Choice,
    /// How programs are attached to them; `None`: as the kernel can.
    pub tc_mode: Option<TcMode>,
    /// The folder of pins.
    pub bpffs: PathBuf,
    /// What holds until the agent is ready.
    pub on_start: OnStart,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Whether enforcement ends with the agent.
    pub detach_on_exit: bool,
    /// How many addresses of names there can be.
    pub max_addresses: u32,
    /// How long to wait for the first answers of all names before attaching.
    pub ready_timeout: Duration,
    /// Measures against poisoning that are left out, for tests
    /// ([`enforcer_common::measure`]).
    pub without: u32,
}

/// Runs until a signal ends it; during the start, with nothing left.
///
/// # Errors
///
/// What kept it from starting; nothing of this start is then left attached that was not asked for
/// by [`OnStart::Deny`].
pub async fn run(options: Options) -> anyhow::Result<()> {
    // Before anything is loaded: an end in the middle of a start must not be left half done.
    let mut signals = Signals::listen()?;
    let Some(mut agent) = Agent::start(&options, &mut signals).await? else { return Ok(()) };
    let ended = agent.serve(&mut signals).await;
    agent.stop(options.detach_on_exit)?;
    ended
}

struct Agent {
    enforcement: Enforcement,
    circumstances: Circumstances,
    servers: Servers,
    resolver: Resolver,
    answers: mpsc::Receiver<Resolution>,
    /// Questions that the kernel hands over.
    questions: Questions,
    uplinks: UplinkWatch,
    _refusal: Refusal,
    health: latest::Sender<Health>,
    started: Instant,
}

impl Agent {
    async fn serve(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let mut watch = Watch::on(&self.enforcement.file.path);
        // The file may have changed since it was read.
        self.reload(Asked::ByChange);
        let mut tick = interval(TICK);
        let mut sweep = interval(SWEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Signals first: a stream of answers must not hold up an end.
                biased;
                request = signals.next() => match request {
                    Request::End => return Ok(()),
                    Request::Reload => self.reload(Asked::Explicitly),
                },
                () = self.enforcement.workloads.changed() => {
                    self.log_failure("follow cgroups", |agent| agent.enforcement.follow_workloads());
                }
                () = watch.changed() => self.reload(Asked::ByChange),
                _ = tick.tick() => {
                    // From the loop itself: it is the loop that must not hang.
                    notify(&[NotifyState::Watchdog]);
                    self.guard().await;
                    self.log_failure("write the state", Self::tick);
                }
                () = self.uplinks.changed() => self.follow_uplinks().await,
                _ = sweep.tick() => {
                    self.log_failure("sweep", |agent| {
                        agent.enforcement.remove_expired(BootTime::now())
                    });
                    self.log_failure("look at cgroups", |agent| {
                        agent.enforcement.look_at_workloads()
                    });
                    // News can be lost.
                    self.follow_uplinks().await;
                }
                asked = self.questions.next() => self.answer(&asked),
                answer = self.answers.recv() => {
                    let first = answer.context("the resolver ended")?;
                    self.log_failure("take an answer", |agent| agent.take(&first));
                }
            }
        }
    }

    /// A failure of the loop is said and does not end the agent: the next round tries again.
    fn log_failure(&mut self, attempt: &str, act: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        if let Err(error) = act(self) {
            tracing::error!(error = format!("{error:#}"), "{attempt}");
        }
    }

    fn take(&mut self, first: &Resolution) -> anyhow::Result<()> {
        let now = BootTime::now();
        self.enforcement.take(first, now)?;
        for _ in 1..ANSWERS_AT_ONCE {
            let Ok(answer) = self.answers.try_recv() else { break };
            self.enforcement.take(&answer, now)?;
        }
        Ok(())
    }

    /// Asks what the kernel could not learn by itself.
    fn answer(&mut self, asked: &AskedQuestion) {
        let Some(server) = self.enforcement.datapath.resolver(asked.resolver) else { return };
        if !self.enforcement.is_wanted(&asked.name) {
            return;
        }
        tracing::debug!(name = %asked.name, why = asked.why.as_str(), "asking for the kernel");
        if !self.resolver.ask(server, &asked.name) {
            tracing::warn!(name = %asked.name, "too many questions at once; this one is not asked");
        }
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        self.refresh_servers();
        self.enforcement.look_at_room(BootTime::now())?;
        self.beat()?;
        self.enforcement.refresh_special()?;
        if !self.enforcement.workloads.is_watching() {
            self.enforcement.look_at_workloads()?;
        }
        Ok(())
    }

    /// Follows `/etc/resolv.conf`: a new lease may bring other resolvers.
    fn refresh_servers(&mut self) {
        let Ok(servers) = servers(&self.enforcement.file) else { return };
        if servers != self.servers {
            tracing::info!(trusted = ?servers.trusted, "the trusted resolvers changed");
            // Tried once: a refusal is not repeated each second.
            self.servers = servers.clone();
            self.replace(self.enforcement.file.clone(), servers);
        }
    }

    fn beat(&mut self) -> anyhow::Result<()> {
        let progress: Progress = self.resolver.progress().borrow().clone();
        let document = report::document(&self.enforcement, &self.circumstances, &progress);
        let datapath = &mut self.enforcement.datapath;
        datapath.beat(BootTime::now())?;
        if document.fits() {
            datapath.write_document(&document)?;
        } else {
            datapath.write_document(&report::without_details(document))?;
        }
        Ok(())
    }

    fn reload(&mut self, asked: Asked) {
        let current = &self.enforcement.file;
        let read = match asked {
            Asked::Explicitly => PolicyFile::read(&current.path).map(Some),
            Asked::ByChange => current.read_anew(),
        };
        let file = match read {
            Ok(Some(file)) => file,
            Ok(None) => {
                if self.circumstances.reload_error.take().is_some() {
                    self.tell_manager(None);
                }
                return;
            }
            Err(error) => {
                for rendered in error.rendered() {
                    tracing::error!("{rendered}");
                }
                self.refuse(error.summary());
                return;
            }
        };
        for warning in &file.warnings {
            tracing::warn!("{warning}");
        }
        match servers(&file) {
            Ok(servers) => self.replace(file, servers),
            Err(error) => self.refuse(format!("{error:#}")),
        }
    }

    fn replace(&mut self, file: PolicyFile, servers: Servers) {
        let applied = self
            .enforcement
            .prepare(file, &servers.trusted)
            .and_then(|prepared| self.enforcement.replace(prepared, BootTime::now()));
        match applied {
            Ok(generation) => {
                let settings = self.enforcement.file.policy.dns.clone();
                self.resolver.set_servers(settings, servers.asked.clone());
                self.resolver.set_names(self.enforcement.names());
                self.circumstances.resolvers.clone_from(&servers.trusted);
                self.circumstances.loaded_at = Timestamp::now();
                self.circumstances.reload_error = None;
                self.circumstances.reloads.applied += 1;
                self.servers = servers;
                self.tell_manager(None);
                // Readers are told at once: the generation is in the maps already.
                self.log_failure("write the state", Self::beat);
                tracing::info!(generation, "the policy is in force");
            }
            Err(error) => self.refuse(format!("{error:#}")),
        }
    }

    fn refuse(&mut self, reason: String) {
        notify(&[NotifyState::Status("the newest policy is refused; the one before is in force")]);
        tracing::error!(%reason, "the policy is refused; the one in force goes on");
        self.circumstances.reload_error = Some(reason);
        self.circumstances.reloads.refused += 1;
        // Readers are told at once, as they are of one that is in force.
        self.log_failure("write the state", Self::beat);
    }

    /// Tells systemd in a line what is in force, and more.
    fn tell_manager(&self, more: Option<NotifyState<'_>>) {
        let policy = &self.enforcement.file.policy;
        let verb = match policy.mode {
            Mode::Enforce => "enforcing",
            Mode::Audit => "auditing",
        };
        let generation = self.enforcement.datapath.generation();
        let status = format!("{verb} policy {}, generation {generation}", policy.name);
        let state: Vec<_> = more.into_iter().chain([NotifyState::Status(&status)]).collect();
        notify(&state);
    }

    fn stop(mut self, detach: bool) -> anyhow::Result<()> {
        notify(&[NotifyState::Stopping]);
        if detach {
            let folder = self.enforcement.datapath.folder().to_owned();
            drop(self);
            let removed = datapath::unload(&folder).context("detach")?;
            tracing::info!(links = removed.links, "detached; nothing is enforced any more");
            return Ok(());
        }
        if self.circumstances.is_unloaded {
            tracing::info!("the agent ends; nothing is enforced, since everything was unloaded");
            return Ok(());
        }
        self.beat()?;
        tracing::info!("the agent ends; the kernel goes on enforcing");
        Ok(())
    }
}

/// Why a reload is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Explicitly,
    ByChange,
}

fn servers(file: &PolicyFile) -> anyhow::Result<Servers> {
    let specs = &file.policy.dns.resolvers;
    resolver::servers(specs).context("find the trusted resolvers")
}

/// Tells systemd; elsewhere there is nobody to tell.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "notify the service manager");
    }
}
