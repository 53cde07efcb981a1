//! The agent's own resolution of exact names: before anyone asks, and again before they expire.
//!
//! [`schedule`] says which name is due, as a function of time and outcomes, and does no IO;
//! [`lookup`] asks the servers, behind one trait; [`chain`] reads an answer as the page of DNS
//! rules demands: the name asked decides, and only addresses to which the answer itself leads
//! count. The driver joins them and sends what it finds to whoever keeps the addresses.
//!
//! This module knows no map and no rule. It never takes an address back: each lives out the
//! lifetime it was sent with, so that a pool that rotates grows, and a failure loses nothing.
//!
//! The surprising thing: the library's cache is off. One owner keeps time, the schedule.

mod chain;
mod driver;
mod lookup;
mod schedule;
#[cfg(test)]
mod scripted;
mod servers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use enforcer_common::special::{Special, classify};
use tokio::sync::{Semaphore, mpsc, watch};

use self::lookup::Lookup as _;
pub use self::servers::{Servers, ServersError, servers};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// What was found out about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name.
    pub name: DomainName,
    /// Its addresses of one family, or those that a failing name keeps; never empty.
    pub addresses: Vec<ResolvedAddress>,
}

/// An address of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedAddress {
    /// The address.
    pub address: IpAddr,
    /// How long it counts from now on.
    pub lifetime: Duration,
    /// What kind of address it is.
    pub special: Special,
}

/// How resolution stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Names to resolve.
    pub names: usize,
    /// Names whose first lookup has ended, either way.
    pub settled: usize,
    /// Names with an address.
    pub resolved: usize,
    /// Names whose newest lookup failed while older addresses live on.
    pub stale: usize,
    /// Names without an address and why, the first [`Progress::SHOWN`].
    pub unresolved: Vec<(DomainName, String)>,
    /// How many there are.
    pub unresolved_count: usize,
    /// Answers taken.
    pub answers: u64,
    /// Answers not taken, by reason.
    pub ignored: BTreeMap<String, u64>,
}

impl Progress {
    /// How many unresolved names are listed.
    pub const SHOWN: usize = 32;
}

/// What is to be resolved, how and by whom.
#[derive(Debug, Clone)]
struct Task {
    names: BTreeSet<DomainName>,
    settings: DnsSettings,
    servers: Vec<SocketAddr>,
}

/// A resolver at work; it ends when this is dropped.
pub struct Resolver {
    task: watch::Sender<Task>,
    progress: Arc<watch::Sender<Progress>>,
    found: mpsc::Sender<Resolution>,
    /// Room for questions that the kernel handed over.
    room: Arc<Semaphore>,
}

/// Handed-over questions that are asked at once; each is two lookups.
const MAX_ASKED: usize = 64;

impl Resolver {
    /// Starts one, with no names.
    pub fn spawn(
        settings: DnsSettings,
        servers: Vec<SocketAddr>,
        found: mpsc::Sender<Resolution>,
    ) -> Self {
        let (task, tasks) = watch::channel(Task { names: BTreeSet::new(), settings, servers });
        let progress = Arc::new(watch::Sender::new(Progress::default()));
        let told = Arc::clone(&progress);
        drop(tokio::spawn(driver::drive(tasks, found.clone(), told, lookup::Network)));
        Self { task, progress, found, room: Arc::new(Semaphore::new(MAX_ASKED)) }
    }

    /// Asks one server for both families of a name, now and once; what it says comes with the
    /// other answers. `false` where too many such questions are open.
    pub fn ask(&self, server: SocketAddr, name: &DomainName) -> bool {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return false };
        let (found, name) = (self.found.clone(), name.clone());
        let settings = self.task.borrow().settings.clone();
        drop(tokio::spawn(async move {
            for family in lookup::Family::BOTH {
                let answer = lookup::Network.lookup(server, &name, family).await;
                let Ok(answer) = answer else { continue };
                let lifetime = lifetime(answer.ttl, &settings);
                let addresses = answer.addresses.into_iter().map(|address| (address, lifetime));
                let resolution = resolution(name.clone(), addresses, &settings);
                if found.send(resolution).await.is_err() {
                    break;
                }
            }
            drop(room);
        }));
        true
    }

    /// Replaces what is to be resolved; what is known of a name that stays is kept.
    ///
    /// Progress says so before this returns: whoever waits for all names to settle must not find
    /// that none is wanted. The task goes first, after which the driver tells nothing older.
    pub fn set_names(&self, names: BTreeSet<DomainName>) {
        let count = names.len();
        self.task.send_modify(|task| task.names = names);
        self.progress.send_modify(|progress| (progress.names, progress.settled) = (count, 0));
    }

    /// Replaces how and by whom.
    pub fn set_servers(&self, settings: DnsSettings, servers: Vec<SocketAddr>) {
        self.task.send_modify(|task| (task.settings, task.servers) = (settings, servers));
    }

    /// How it stands, brought up to date several times a second while something happens.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

/// What is found out about addresses: what each of them may do.
fn resolution(
    name: DomainName,
    addresses: impl IntoIterator<Item = (IpAddr, Duration)>,
    settings: &DnsSettings,
) -> Resolution {
    let nat64: Vec<_> = settings.nat64_prefixes().collect();
    let addresses = addresses.into_iter().map(|(address, lifetime)| ResolvedAddress {
        address,
        lifetime,
        special: match address {
            // An AAAA that holds an IPv4-mapped address is refused, not translated.
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Special::Never,
            IpAddr::V4(_) | IpAddr::V6(_) => classify(&address.into(), &nat64),
        },
    });
    Resolution { name, addresses: addresses.collect() }
}

/// How long an address counts: the record's time to live between the floor and the ceiling. A
/// value with the top bit set counts as zero (RFC 2181, 8).
pub fn lifetime(ttl: u32, settings: &DnsSettings) -> Duration {
    let seconds = if ttl >> 31 == 0 { ttl } else { 0 };
    Duration::from_secs(seconds.into()).clamp(settings.min_ttl, settings.max_ttl)
}

#[cfg(test)]
mod tests;
