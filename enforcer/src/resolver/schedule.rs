//! When each name is asked for, and of whom: a function of time and outcomes, without IO.
//!
//! A round asks every server that has room for both families of a name, since each server may
//! know other addresses, and keeps the union. A family is done with the first answer that holds
//! addresses; what slower servers say is taken when it comes. So a silent server delays nobody:
//! its lookups pile up to its share of all that may be in flight, and then it is passed over
//! until some of them have ended.
//!
//! Time is what has passed since the resolver began.

mod entry;
mod pace;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use self::{
    entry::{Entry, Round},
    pace::Pace,
};
use super::{
    Progress,
    chain::Answer,
    lookup::{Failure, Family},
};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// Lookups in flight, all servers together.
const MAX_LOOKUPS: usize = 256;
/// A name is never asked for more often.
const SHORTEST_PERIOD: Duration = Duration::from_secs(5);

/// Addresses, each with how long it counts from now on.
pub(super) type Addresses = Vec<(IpAddr, Duration)>;

/// One question to one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) server: SocketAddr,
    pub(super) name: DomainName,
    pub(super) family: Family,
    round: u64,
}

/// The schedule.
pub(super) struct Schedule {
    settings: DnsSettings,
    servers: Vec<SocketAddr>,
    names: BTreeMap<DomainName, Entry>,
    due: BTreeSet<(Duration, DomainName)>,
    /// Lookups in flight, by server; those that are not asked any more included.
    in_flight: BTreeMap<SocketAddr, usize>,
    pace: Pace,
    rounds: u64,
    answers: u64,
    ignored: BTreeMap<String, u64>,
}

impl Schedule {
    pub(super) fn new(settings: DnsSettings, servers: &[SocketAddr]) -> Self {
        Self {
            settings,
            servers: distinct(servers),
            names: BTreeMap::new(),
            due: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            pace: Pace::default(),
            rounds: 0,
            answers: 0,
            ignored: BTreeMap::new(),
        }
    }

    pub(super) fn set_settings(&mut self, settings: DnsSettings) {
        self.settings = settings;
    }

    /// Replaces the servers and asks again for every name as soon as it may be: others may know
    /// other addresses. What servers say that are gone is not taken.
    pub(super) fn set_servers(&mut self, servers: &[SocketAddr], now: Duration) {
        let servers = distinct(servers);
        if servers == self.servers {
            return;
        }
        self.servers = servers;
        for (name, entry) in &mut self.names {
            let Some(due) = entry.due else { continue };
            let soon = entry.asked.map_or(now, |asked| now.max(asked + SHORTEST_PERIOD)).min(due);
            self.due.remove(&(due, name.clone()));
            self.due.insert((soon, name.clone()));
            entry.due = Some(soon);
        }
    }

    /// Replaces the names; those that stay keep what is known of them.
    pub(super) fn set_names(&mut self, names: &BTreeSet<DomainName>, now: Duration) {
        let gone: Vec<_> =
            self.names.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(due) = self.names.remove(&name).and_then(|entry| entry.due) {
                self.due.remove(&(due, name));
            }
        }
        for name in names {
            if !self.names.contains_key(name) {
                self.due.insert((now, name.clone()));
                self.names.insert(name.clone(), Entry::due_at(now));
            }
        }
    }

    /// What to ask for the next name, if one is due and nothing is exceeded. Each question has
    /// exactly one outcome, for [`Self::take`].
    pub(super) fn start(&mut self, now: Duration) -> Option<Vec<Question>> {
        if self.wake()? > now {
            return None;
        }
        let servers = self.servers_with_room();
        let (_, name) = self.due.pop_first()?;
        self.rounds += 1;
        self.pace.spend(now);
        let round = self.rounds;
        self.names.get_mut(&name)?.begin(Round::of(round, servers.len()), now);
        let mut questions = Vec::with_capacity(servers.len() * Family::BOTH.len());
        for server in servers {
            *self.in_flight.entry(server).or_default() += Family::BOTH.len();
            for family in Family::BOTH {
                questions.push(Question { server, name: name.clone(), family, round });
            }
        }
        Some(questions)
    }

    /// When [`Self::start`] may have a name; `None`: not before an outcome or a change.
    pub(super) fn wake(&self) -> Option<Duration> {
        let (due, _) = self.due.first()?;
        (!self.servers_with_room().is_empty()).then(|| self.pace.earliest(*due))
    }

    /// Takes the outcome of one question; what comes back is to be told to whoever keeps the
    /// addresses. An outcome for a name, or of a server, that is gone teaches nothing.
    pub(super) fn take(
        &mut self,
        question: &Question,
        outcome: Result<Answer, Failure>,
        now: Duration,
    ) -> Addresses {
        self.land(question.server);
        let outcome = if self.servers.contains(&question.server) {
            self.count(&outcome);
            outcome
        } else {
            Err(Failure::TimedOut)
        };
        let Some(entry) = self.names.get_mut(&question.name) else { return Vec::new() };
        let mut told = match &outcome {
            Ok(answer) => entry.learn(question.family, answer, &self.settings, now),
            Err(_) => Vec::new(),
        };
        if entry.note(question, outcome) {
            let (due, kept) = entry.end_round(&question.name, &self.settings, now);
            self.due.insert((due, question.name.clone()));
            told.extend(kept);
        }
        told
    }

    /// Keeps addresses that would expire while their name waits to be asked for, or for an
    /// answer: with many names and no server that answers, rounds take longer than addresses
    /// live. To be called every second.
    pub(super) fn tend(&mut self, now: Duration) -> Vec<(DomainName, Addresses)> {
        let kept = self.names.iter_mut().map(|(name, entry)| {
            let kept = if entry.is_waiting(now) {
                entry.keep_expiring(&self.settings, now)
            } else {
                Vec::new()
            };
            (name.clone(), kept)
        });
        kept.filter(|(_, kept)| !kept.is_empty()).collect()
    }

    /// How it stands.
    pub(super) fn progress(&self, now: Duration) -> Progress {
        let mut progress = Progress {
            names: self.names.len(),
            answers: self.answers,
            ignored: self.ignored.clone(),
            ..Progress::default()
        };
        for (name, entry) in &self.names {
            progress.settled += usize::from(entry.has_settled);
            if entry.is_resolved(now) {
                progress.resolved += 1;
                progress.stale += usize::from(entry.is_stale());
                continue;
            }
            progress.unresolved_count += 1;
            if progress.unresolved.len() < Progress::SHOWN {
                progress.unresolved.push((name.clone(), entry.problem()));
            }
        }
        progress
    }

    /// Those whose share of what may be in flight is not used up.
    fn servers_with_room(&self) -> Vec<SocketAddr> {
        let wanted = Family::BOTH.len();
        let share = (MAX_LOOKUPS / self.servers.len().max(1)).max(wanted);
        let mut free = MAX_LOOKUPS.saturating_sub(self.in_flight.values().sum());
        let has_room = |server: &SocketAddr| {
            let used = self.in_flight.get(server).copied().unwrap_or(0);
            let fits = used + wanted <= share && wanted <= free;
            free -= if fits { wanted } else { 0 };
            fits
        };
        self.servers.iter().copied().filter(has_room).collect()
    }

    fn land(&mut self, server: SocketAddr) {
        if let Some(count) = self.in_flight.get_mut(&server) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.in_flight.remove(&server);
            }
        }
    }

    fn count(&mut self, outcome: &Result<Answer, Failure>) {
        match outcome {
            Ok(_) => self.answers += 1,
            Err(failure) => {
                if let Some(reason) = failure.ignored_as() {
                    *self.ignored.entry(reason.to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// In the order given, each once, no more than can be in flight together.
fn distinct(servers: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut seen = BTreeSet::new();
    let most = MAX_LOOKUPS / Family::BOTH.len();
    servers.iter().copied().filter(|server| seen.insert(*server)).take(most).collect()
}

#[cfg(test)]
mod tests;
