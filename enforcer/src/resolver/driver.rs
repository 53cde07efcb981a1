//! The schedule, driven: asks, takes outcomes, tells what was found.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinSet},
    time::Instant,
};

use super::{
    Progress, Resolution, Task,
    chain::Answer,
    lookup::{Failure, Lookup},
    schedule::{Addresses, Question, Schedule},
};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// How often progress is told while something happens.
const TELL: Duration = Duration::from_millis(100);
/// How often a long first round is logged.
const LOG: Duration = Duration::from_secs(5);
/// How often addresses near their end are looked for.
const TEND: Duration = Duration::from_secs(1);

/// Whoever keeps the addresses is gone.
struct Unwanted;

/// Works until whoever wants the names is gone.
pub(super) async fn drive<L: Lookup>(
    mut tasks: watch::Receiver<Task>,
    found: mpsc::Sender<Resolution>,
    progress: Arc<watch::Sender<Progress>>,
    lookup: L,
) {
    let task = tasks.borrow_and_update().clone();
    let mut schedule = Schedule::new(task.settings.clone(), &task.servers);
    schedule.set_names(&task.names, Duration::ZERO);
    let mut driver = Driver {
        began: Instant::now(),
        schedule,
        settings: task.settings,
        lookup: Arc::new(lookup),
        lookups: JoinSet::new(),
        questions: HashMap::new(),
        found,
    };
    let (mut told, mut logged, mut tended) = (driver.began, driver.began, driver.began);
    let mut is_dirty = true;
    loop {
        driver.start();
        if is_dirty && told.elapsed() >= TELL {
            let stand = driver.schedule.progress(driver.now());
            if stand.settled < stand.names && logged.elapsed() >= LOG {
                tracing::info!(names = stand.names, settled = stand.settled, "resolving names");
                logged = Instant::now();
            }
            // A task that waits knows other names than this schedule.
            progress.send_if_modified(|told| {
                let differs = !tasks.has_changed().unwrap_or(true) && *told != stand;
                if differs {
                    *told = stand;
                }
                differs
            });
            (told, is_dirty) = (Instant::now(), false);
        }
        let pause = driver.pause().min(if is_dirty { TELL } else { TEND });
        tokio::select! {
            changed = tasks.changed() => {
                if changed.is_err() {
                    return;
                }
                driver.change(&tasks.borrow_and_update().clone());
                is_dirty = true;
            }
            Some(ended) = driver.lookups.join_next_with_id() => {
                if driver.take(ended).await.is_err() {
                    return;
                }
                is_dirty = true;
            }
            () = tokio::time::sleep(pause) => {}
        }
        if tended.elapsed() >= TEND {
            if driver.tend().await.is_err() {
                return;
            }
            (tended, is_dirty) = (Instant::now(), true);
        }
    }
}

struct Driver<L> {
    began: Instant,
    schedule: Schedule,
    settings: DnsSettings,
    lookup: Arc<L>,
    lookups: JoinSet<Result<Answer, Failure>>,
    /// What each lookup asks; kept apart, so that one that dies has an outcome as well.
    questions: HashMap<task::Id, Question>,
    found: mpsc::Sender<Resolution>,
}

impl<L: Lookup> Driver<L> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long nothing can begin.
    fn pause(&self) -> Duration {
        self.schedule.wake().map_or(Duration::MAX, |wake| wake.saturating_sub(self.now()))
    }

    fn start(&mut self) {
        while let Some(questions) = self.schedule.start(self.now()) {
            for question in questions {
                let (lookup, asked) = (Arc::clone(&self.lookup), question.clone());
                let handle = self.lookups.spawn(async move {
                    lookup.lookup(asked.server, &asked.name, asked.family).await
                });
                self.questions.insert(handle.id(), question);
            }
        }
    }

    fn change(&mut self, task: &Task) {
        let now = self.now();
        self.settings = task.settings.clone();
        self.schedule.set_settings(task.settings.clone());
        self.schedule.set_servers(&task.servers, now);
        self.schedule.set_names(&task.names, now);
    }

    async fn take(
        &mut self,
        ended: Result<(task::Id, Result<Answer, Failure>), task::JoinError>,
    ) -> Result<(), Unwanted> {
        let (id, outcome) = ended.unwrap_or_else(|error| {
            (error.id(), Err(Failure::Broken(format!("look up: {error}"))))
        });
        let Some(question) = self.questions.remove(&id) else { return Ok(()) };
        let addresses = self.schedule.take(&question, outcome, self.now());
        self.tell(question.name, addresses).await
    }

    async fn tend(&mut self) -> Result<(), Unwanted> {
        for (name, kept) in self.schedule.tend(self.now()) {
            self.tell(name, kept).await?;
        }
        Ok(())
    }

    async fn tell(&self, name: DomainName, addresses: Addresses) -> Result<(), Unwanted> {
        if addresses.is_empty() {
            return Ok(());
        }
        let resolution = super::resolution(name, addresses, &self.settings);
        self.found.send(resolution).await.map_err(|_gone| Unwanted)
    }
}

#[cfg(test)]
mod tests;
