//! Questions that the kernel hands over, as they come, each name at most once in a second.

use std::{collections::HashMap, thread, time::Duration};

use enforcer_common::dns::Learning;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    datapath::handover::{HandedQuestion, Handover},
    fqdn::DomainName,
};

/// How long a name is not asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Names whose last question is remembered; those asked longer ago are forgotten beyond.
const REMEMBERED: usize = 4_096;
/// Questions that may wait for the agent; more are dropped, and asked again by whoever needs them.
const WAITING: usize = 1_024;
/// How often the reader looks whether it is still wanted.
const PATIENCE: Duration = Duration::from_secs(1);

/// A question to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Number of the resolver that was asked.
    pub(super) resolver: u32,
    /// The name.
    pub(super) name: DomainName,
    /// Why the kernel could not learn.
    pub(super) why: Learning,
}

/// What comes, and what was asked lately.
pub(super) struct Questions {
    coming: mpsc::Receiver<HandedQuestion>,
    lately: HashMap<DomainName, Instant>,
}

impl Questions {
    /// Reads the ring in a thread of its own, which sleeps while nothing comes and ends soon after
    /// this is dropped.
    pub(super) fn new(mut ring: Handover) -> Self {
        let (sender, coming) = mpsc::channel(WAITING);
        let reader = move || {
            while !sender.is_closed() {
                ring.wait(PATIENCE);
                while let Some(question) = ring.take() {
                    if sender.try_send(question).is_err() {
                        tracing::debug!("a question of the kernel is dropped: too many wait");
                    }
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("handover".to_owned()).spawn(reader) {
            tracing::error!(%error, "start the reader of the kernel's questions");
        }
        Self { coming, lately: HashMap::new() }
    }

    /// The next question. Does not end where none comes.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            let Some(question) = self.coming.recv().await else {
                return std::future::pending().await;
            };
            let Ok(name) = DomainName::parse(&question.name) else { continue };
            let now = Instant::now();
            if self.lately.get(&name).is_some_and(|last| now.duration_since(*last) < PAUSE) {
                continue;
            }
            if self.lately.len() >= REMEMBERED {
                self.lately.retain(|_, last| now.duration_since(*last) < PAUSE);
            }
            self.lately.insert(name.clone(), now);
            return Asked { resolver: question.resolver, name, why: question.why };
        }
    }
}
