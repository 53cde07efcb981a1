//! When each name is asked for: a function of time and outcomes, without IO.
//!
//! Time is what has passed since the resolver began.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

use super::{Progress, chain::Answer, lookup::Failure};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// Names asked for at one time; each is two queries.
const MAX_IN_FLIGHT: usize = 128;
/// Names begun in a second: 2,000 queries, which every resolver bears.
const NAMES_PER_SECOND: u32 = 1_000;
/// Names begun at once after a pause.
const BURST: u32 = 128;
/// A name is never asked for more often.
const SHORTEST_PERIOD: Duration = Duration::from_secs(5);
/// A failing name is asked for at least this often.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// A and AAAA.
const FAMILIES: u8 = 2;

/// The schedule.
pub(super) struct Schedule {
    settings: DnsSettings,
    names: BTreeMap<DomainName, Entry>,
    due: BTreeSet<(Duration, DomainName)>,
    in_flight: usize,
    /// When the next name may begin, were there no burst.
    paced: Duration,
    answers: u64,
    ignored: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Entry {
    due: Option<Duration>,
    round: Option<Round>,
    failures: u32,
    has_settled: bool,
    addresses: BTreeMap<IpAddr, Duration>,
    last_success: Option<Duration>,
    problem: Option<Failure>,
}

/// One time that a name is asked for.
#[derive(Default)]
struct Round {
    ended: u8,
    ttl: Option<u32>,
    failure: Option<Failure>,
}

/// What an outcome means for whoever keeps the addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Addresses, each with how long it counts from now on.
    pub(super) addresses: Vec<(IpAddr, Duration)>,
}

impl Schedule {
    pub(super) fn new(settings: DnsSettings) -> Self {
        Self {
            settings,
            names: BTreeMap::new(),
            due: BTreeSet::new(),
            in_flight: 0,
            paced: Duration::ZERO,
            answers: 0,
            ignored: BTreeMap::new(),
        }
    }

    pub(super) fn set_settings(&mut self, settings: DnsSettings) {
        self.settings = settings;
    }

    /// Replaces the names; those that stay keep what is known of them.
    pub(super) fn set_names(&mut self, names: &BTreeSet<DomainName>, now: Duration) {
        let gone: Vec<_> =
            self.names.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            let Some(entry) = self.names.remove(&name) else { continue };
            if let Some(due) = entry.due {
                self.due.remove(&(due, name));
            }
            self.in_flight -= usize::from(entry.round.is_some());
        }
        for name in names {
            if !self.names.contains_key(name) {
                self.due.insert((now, name.clone()));
                self.names.insert(name.clone(), Entry { due: Some(now), ..Entry::default() });
            }
        }
    }

    /// Asks again at once for every name that failed: the servers have changed.
    pub(super) fn retry_failed(&mut self, now: Duration) {
        for (name, entry) in &mut self.names {
            if entry.problem.is_some()
                && let Some(due) = entry.due.replace(now)
            {
                self.due.remove(&(due, name.clone()));
                self.due.insert((now, name.clone()));
            }
        }
    }

    /// A name to ask for, if one is due and nothing is exceeded. It is in flight until both
    /// families have an outcome.
    pub(super) fn start(&mut self, now: Duration) -> Option<DomainName> {
        if self.wake()? > now {
            return None;
        }
        let (_, name) = self.due.pop_first()?;
        let entry = self.names.get_mut(&name)?;
        entry.due = None;
        entry.round = Some(Round::default());
        self.in_flight += 1;
        let interval = Duration::from_secs(1) / NAMES_PER_SECOND;
        self.paced = self.paced.max(now.saturating_sub(interval * BURST)) + interval;
        Some(name)
    }

    /// When [`Self::start`] may have a name; `None`: not before an outcome or a change of names.
    pub(super) fn wake(&self) -> Option<Duration> {
        let (due, _) = self.due.first()?;
        (self.in_flight < MAX_IN_FLIGHT).then(|| *due.max(&self.paced))
    }

    /// Takes the outcome of one family. An outcome for a name that is gone has no effect.
    pub(super) fn take(
        &mut self,
        name: &DomainName,
        outcome: Result<Answer, Failure>,
        now: Duration,
    ) -> Effect {
        let Some(entry) = self.names.get_mut(name) else { return Effect::default() };
        let Some(round) = &mut entry.round else { return Effect::default() };
        let mut effect = Effect::default();
        match outcome {
            Ok(answer) => {
                self.answers += 1;
                let lifetime = super::lifetime(answer.ttl, &self.settings);
                round.ttl = Some(round.ttl.map_or(answer.ttl, |ttl| ttl.min(answer.ttl)));
                for address in answer.addresses {
                    let expiry = entry.addresses.entry(address).or_default();
                    *expiry = (*expiry).max(now + lifetime);
                    effect.addresses.push((address, lifetime));
                }
            }
            Err(failure) => {
                if let Some(reason) = failure.ignored_as() {
                    *self.ignored.entry(reason.to_owned()).or_default() += 1;
                }
                // What may pass outweighs what is certain: the name is asked for sooner.
                if round.failure.as_ref().is_none_or(Failure::is_lasting) {
                    round.failure = Some(failure);
                }
            }
        }
        round.ended += 1;
        if round.ended == FAMILIES {
            self.in_flight -= 1;
            self.end_round(name, now, &mut effect);
        }
        effect
    }

    fn end_round(&mut self, name: &DomainName, now: Duration, effect: &mut Effect) {
        let Some(entry) = self.names.get_mut(name) else { return };
        let Some(round) = entry.round.take() else { return };
        entry.has_settled = true;
        entry.addresses.retain(|_, expiry| *expiry > now);
        let passing = round.failure.as_ref().is_some_and(|failure| !failure.is_lasting());
        let is_answered = round.ttl.is_some();
        entry.failures = if is_answered && !passing { 0 } else { entry.failures.saturating_add(1) };
        entry.problem = if is_answered { None } else { round.failure };
        if is_answered {
            entry.last_success = Some(now);
        }
        let backoff = FIRST_BACKOFF
            .saturating_mul(1_u32.checked_shl(entry.failures.saturating_sub(1)).unwrap_or(u32::MAX))
            .min(LONGEST_BACKOFF);
        let refresh = round.ttl.map(|ttl| super::lifetime(ttl, &self.settings) * 4 / 5);
        let delay = match refresh {
            Some(refresh) if passing => refresh.min(backoff),
            Some(refresh) => refresh,
            None => backoff,
        };
        let delay = jittered(delay, name, now).max(SHORTEST_PERIOD);
        if !is_answered && passing {
            effect.addresses = extended(entry, delay, now, &self.settings);
        }
        entry.due = Some(now + delay);
        self.due.insert((now + delay, name.clone()));
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
            if entry.addresses.values().any(|expiry| *expiry > now) {
                progress.resolved += 1;
                progress.stale += usize::from(entry.problem.is_some());
                continue;
            }
            progress.unresolved_count += 1;
            if progress.unresolved.len() < Progress::SHOWN {
                let reason = entry
                    .problem
                    .as_ref()
                    .map_or_else(|| "not asked for yet".to_owned(), ToString::to_string);
                progress.unresolved.push((name.clone(), reason));
            }
        }
        progress
    }
}

/// The live addresses of a failing name, kept until the next try has had its time, and no longer
/// than the policy allows after the last answer (RFC 8767's idea).
fn extended(
    entry: &mut Entry,
    delay: Duration,
    now: Duration,
    settings: &DnsSettings,
) -> Vec<(IpAddr, Duration)> {
    let Some(last_success) = entry.last_success else { return Vec::new() };
    let latest = last_success + settings.stale_ttl;
    let wanted = (now + delay + settings.min_ttl).min(latest);
    let short = entry.addresses.iter_mut().filter(|(_, expiry)| **expiry < wanted);
    short
        .map(|(address, expiry)| {
            *expiry = wanted;
            (*address, wanted.saturating_sub(now))
        })
        .collect()
}

/// Up to a tenth sooner, so that names which came together do not stay together.
fn jittered(delay: Duration, name: &DomainName, now: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (name.as_str(), now.as_millis()).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 100).unwrap_or(0);
    delay.saturating_sub(delay / 1_000 * share)
}

#[cfg(test)]
mod tests;
