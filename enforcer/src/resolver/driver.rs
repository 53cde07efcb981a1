//! The schedule, driven: asks, takes outcomes, tells what was found.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use enforcer_common::special::{Special, classify};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    Progress, Resolution, ResolvedAddress, Task,
    chain::Answer,
    lookup::{Failure, Family, Lookup},
    schedule::{Effect, Schedule},
};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// How often progress is told while something happens.
const TELL: Duration = Duration::from_millis(100);
/// How often a long first round is logged.
const LOG: Duration = Duration::from_secs(5);

/// Works until whoever wants the names is gone.
pub(super) async fn drive<L: Lookup>(
    mut tasks: watch::Receiver<Task>,
    found: mpsc::Sender<Resolution>,
    progress: Arc<watch::Sender<Progress>>,
    ask: impl Fn(&[SocketAddr]) -> L,
) {
    let began = Instant::now();
    let first = tasks.borrow_and_update().clone();
    let mut driver = Driver {
        schedule: Schedule::new(first.settings.clone()),
        lookup: Arc::new(ask(&first.servers)),
        task: first,
        lookups: JoinSet::new(),
        found,
    };
    driver.schedule.set_names(&driver.task.names, Duration::ZERO);
    let mut told = began;
    let mut logged = began;
    let mut is_dirty = true;
    loop {
        let now = began.elapsed();
        driver.start(now);
        if is_dirty && told.elapsed() >= TELL {
            let stand = driver.schedule.progress(now);
            if stand.settled < stand.names && logged.elapsed() >= LOG {
                tracing::info!(names = stand.names, settled = stand.settled, "resolving names");
                logged = Instant::now();
            }
            // A task that waits knows other names than this schedule.
            progress.send_if_modified(|told| {
                let is_current = !tasks.has_changed().unwrap_or(true);
                if is_current {
                    *told = stand;
                }
                is_current
            });
            (told, is_dirty) = (Instant::now(), false);
        }
        let wake = driver.schedule.wake().map_or(Duration::MAX, |wake| wake.saturating_sub(now));
        let pause = if is_dirty { wake.min(TELL) } else { wake.min(Duration::from_secs(60)) };
        tokio::select! {
            changed = tasks.changed() => {
                if changed.is_err() {
                    return;
                }
                let task = tasks.borrow_and_update().clone();
                driver.change(task, began.elapsed(), &ask);
            }
            Some(outcome) = driver.lookups.join_next() => {
                let Ok((name, outcome)) = outcome else { continue };
                if driver.take(name, outcome, began.elapsed()).await.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
        is_dirty = true;
    }
}

struct Driver<L> {
    schedule: Schedule,
    lookup: Arc<L>,
    task: Task,
    lookups: JoinSet<(DomainName, Result<Answer, Failure>)>,
    found: mpsc::Sender<Resolution>,
}

impl<L: Lookup> Driver<L> {
    fn start(&mut self, now: Duration) {
        while let Some(name) = self.schedule.start(now) {
            for family in [Family::V4, Family::V6] {
                let (lookup, name) = (Arc::clone(&self.lookup), name.clone());
                self.lookups.spawn(async move {
                    let outcome = lookup.lookup(&name, family).await;
                    (name, outcome)
                });
            }
        }
    }

    fn change(&mut self, task: Task, now: Duration, ask: &impl Fn(&[SocketAddr]) -> L) {
        if task.servers != self.task.servers {
            self.lookup = Arc::new(ask(&task.servers));
            self.schedule.retry_failed(now);
        }
        self.schedule.set_settings(task.settings.clone());
        self.schedule.set_names(&task.names, now);
        self.task = task;
    }

    async fn take(
        &mut self,
        name: DomainName,
        outcome: Result<Answer, Failure>,
        now: Duration,
    ) -> Result<(), mpsc::error::SendError<Resolution>> {
        let Effect { addresses } = self.schedule.take(&name, outcome, now);
        if addresses.is_empty() {
            return Ok(());
        }
        let nat64 = nat64(&self.task.settings);
        let addresses = addresses.into_iter().map(|(address, lifetime)| ResolvedAddress {
            address,
            lifetime,
            special: match address {
                // An AAAA that holds an IPv4-mapped address is refused, not translated.
                IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Special::Never,
                IpAddr::V4(_) | IpAddr::V6(_) => classify(&address.into(), &nat64),
            },
        });
        self.found.send(Resolution { name, addresses: addresses.collect() }).await
    }
}

fn nat64(settings: &DnsSettings) -> Vec<([u8; 16], u8)> {
    let prefixes = settings.nat64.iter().filter_map(|prefix| match prefix {
        ipnet::IpNet::V6(prefix) => Some((prefix.network().octets(), prefix.prefix_len())),
        ipnet::IpNet::V4(_) => None,
    });
    prefixes.collect()
}

#[cfg(test)]
mod tests;
