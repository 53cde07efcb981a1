//! What is known of one name.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

use super::{
    super::{
        chain::Answer,
        lifetime,
        lookup::{Failure, Family},
    },
    Addresses, Question, SHORTEST_PERIOD,
};
use crate::{fqdn::DomainName, policy::DnsSettings};

/// A failing name is asked for at least this often.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
/// How long before its end an address is looked after: several times the period of `tend`.
const MARGIN: Duration = Duration::from_secs(5);
/// Addresses remembered for a name. A pool such as S3's has about 96 live at a time.
const MAX_ADDRESSES: usize = 256;

/// One name.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// When it is to be asked for; `None` while it is.
    pub(super) due: Option<Duration>,
    /// When it was asked for last.
    pub(super) asked: Option<Duration>,
    /// Whether a first round has ended, either way.
    pub(super) has_settled: bool,
    round: Option<Round>,
    failures: u32,
    problem: Option<Failure>,
    addresses: BTreeMap<IpAddr, Duration>,
    v4: Knowledge,
    v6: Knowledge,
}

/// What is known of one family's addresses as a whole.
#[derive(Debug, Default)]
struct Knowledge {
    /// When a server last gave addresses.
    last_success: Option<Duration>,
    /// Whether servers say that there are none: what is known lives out its time.
    is_denied: bool,
    /// Whether addresses live on only because no server answers.
    is_stretched: bool,
}

/// One time that a name is asked for.
#[derive(Debug)]
pub(super) struct Round {
    id: u64,
    v4: Part,
    v6: Part,
    ttl: Option<u32>,
}

/// One family's share of a round.
#[derive(Debug)]
struct Part {
    waiting: usize,
    is_answered: bool,
    denial: Option<Failure>,
    failure: Option<Failure>,
}

impl Entry {
    /// A name that nothing is known of.
    pub(super) fn due_at(now: Duration) -> Self {
        Self { due: Some(now), ..Self::default() }
    }

    pub(super) fn begin(&mut self, round: Round, now: Duration) {
        self.due = None;
        self.asked = Some(now);
        self.round = Some(round);
    }

    /// Takes addresses; none is ever given a shorter life than it has.
    pub(super) fn learn(
        &mut self,
        family: Family,
        answer: &Answer,
        settings: &DnsSettings,
        now: Duration,
    ) -> Addresses {
        let knowledge = self.knowledge(family);
        *knowledge = Knowledge { last_success: Some(now), ..Knowledge::default() };
        let lifetime = lifetime(answer.ttl, settings);
        for address in &answer.addresses {
            if self.addresses.len() >= MAX_ADDRESSES && !self.addresses.contains_key(address) {
                self.addresses.retain(|_, expiry| *expiry > now);
            }
            // Beyond the bound an address is learned all the same; it is only not kept when stale.
            if self.addresses.len() < MAX_ADDRESSES || self.addresses.contains_key(address) {
                let expiry = self.addresses.entry(*address).or_default();
                *expiry = (*expiry).max(now + lifetime);
            }
        }
        answer.addresses.iter().map(|address| (*address, lifetime)).collect()
    }

    /// Notes an outcome; whether the round is at its end. A question of an earlier round changes
    /// nothing here.
    pub(super) fn note(&mut self, question: &Question, outcome: Result<Answer, Failure>) -> bool {
        let Some(round) = self.round.as_mut().filter(|round| round.id == question.round) else {
            return false;
        };
        if let Ok(answer) = &outcome {
            round.ttl = Some(round.ttl.map_or(answer.ttl, |ttl| ttl.min(answer.ttl)));
        }
        let part = match question.family {
            Family::V4 => &mut round.v4,
            Family::V6 => &mut round.v6,
        };
        part.waiting = part.waiting.saturating_sub(1);
        match outcome {
            Ok(_) => part.is_answered = true,
            Err(failure) if failure.is_lasting() => part.denial = Some(failure),
            Err(failure) => part.failure = Some(failure),
        }
        round.v4.is_done() && round.v6.is_done()
    }

    /// Ends the round: when the name is due again, and the addresses that are kept meanwhile.
    pub(super) fn end_round(
        &mut self,
        name: &DomainName,
        settings: &DnsSettings,
        now: Duration,
    ) -> (Duration, Addresses) {
        self.has_settled = true;
        self.addresses.retain(|_, expiry| *expiry > now);
        let Some(round) = self.round.take() else { return (now + LONGEST_BACKOFF, Vec::new()) };
        self.v4.is_denied |= round.v4.is_denied();
        self.v6.is_denied |= round.v6.is_denied();
        let fails = [(Family::V4, round.v4.fails()), (Family::V6, round.v6.fails())];
        let is_answered = round.ttl.is_some();
        let is_failing = fails.iter().any(|(_, fails)| *fails);
        self.failures =
            if is_answered && !is_failing { 0 } else { self.failures.saturating_add(1) };
        let ttl = round.ttl;
        self.problem = if is_answered { None } else { round.problem() };

        let delay = jittered(self.delay(ttl, is_failing, settings), name, now);
        let began = self.asked.unwrap_or(now);
        let due = (now + delay).max(began + SHORTEST_PERIOD);
        let mut kept = Vec::new();
        for (family, _) in fails.into_iter().filter(|(_, fails)| *fails) {
            kept.extend(self.keep(family, due + settings.min_ttl, Duration::MAX, settings, now));
        }
        self.due = Some(due);
        (due, kept)
    }

    /// At four fifths of the shortest TTL, for a pool that rotates with it has to be followed; a
    /// failing family sooner.
    fn delay(&self, ttl: Option<u32>, is_failing: bool, settings: &DnsSettings) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(8);
        let backoff = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
        let Some(ttl) = ttl else { return backoff };
        let refresh = Duration::from_secs(ttl.into()).min(lifetime(ttl, settings)) * 4 / 5;
        if is_failing { refresh.min(backoff) } else { refresh }
    }

    /// Whether the name should have an answer and has none.
    pub(super) fn is_waiting(&self, now: Duration) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// Keeps what would expire before it is looked at again.
    pub(super) fn keep_expiring(&mut self, settings: &DnsSettings, now: Duration) -> Addresses {
        let mut kept = Vec::new();
        for family in Family::BOTH {
            kept.extend(self.keep(family, now + settings.min_ttl, now + MARGIN, settings, now));
        }
        kept
    }

    /// Keeps the live addresses of a family that expire before `before`, until `until`, and no
    /// longer than the policy allows after the last answer (RFC 8767's idea). A family that
    /// servers denied lives out its time.
    fn keep(
        &mut self,
        family: Family,
        until: Duration,
        before: Duration,
        settings: &DnsSettings,
        now: Duration,
    ) -> Addresses {
        let knowledge = self.knowledge(family);
        let Some(last_success) = knowledge.last_success.filter(|_| !knowledge.is_denied) else {
            return Vec::new();
        };
        let until = until.min(last_success + settings.stale_ttl);
        let mut kept = Vec::new();
        for (address, expiry) in &mut self.addresses {
            let is_live = *expiry > now && *expiry < before;
            if family.has(*address) && is_live && *expiry < until {
                *expiry = until;
                kept.push((*address, until.saturating_sub(now)));
            }
        }
        if !kept.is_empty() {
            self.knowledge(family).is_stretched = true;
        }
        kept
    }

    /// Whether an address is live.
    pub(super) fn is_resolved(&self, now: Duration) -> bool {
        self.addresses.values().any(|expiry| *expiry > now)
    }

    /// Whether what is live is not what servers say.
    pub(super) fn is_stale(&self) -> bool {
        self.problem.is_some() || self.v4.is_stretched || self.v6.is_stretched
    }

    /// Why there is no address.
    pub(super) fn problem(&self) -> String {
        self.problem.as_ref().map_or_else(|| "not asked for yet".to_owned(), ToString::to_string)
    }

    /// Every address that is remembered, and when it ends.
    #[cfg(test)]
    pub(super) fn known(&self) -> impl Iterator<Item = (IpAddr, Duration)> {
        self.addresses.iter().map(|(address, expiry)| (*address, *expiry))
    }

    fn knowledge(&mut self, family: Family) -> &mut Knowledge {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl Round {
    /// Asks so many servers.
    pub(super) fn of(id: u64, servers: usize) -> Self {
        Self { id, v4: Part::of(servers), v6: Part::of(servers), ttl: None }
    }

    /// What may pass outweighs what is certain, and a name that is gone one without addresses.
    fn problem(self) -> Option<Failure> {
        let denials = [self.v4.denial, self.v6.denial];
        let gone = denials.iter().flatten().find(|denial| **denial == Failure::NoSuchName).cloned();
        let [v4, v6] = denials;
        self.v4.failure.or(self.v6.failure).or(gone).or(v4).or(v6)
    }
}

impl Part {
    fn of(servers: usize) -> Self {
        Self { waiting: servers, is_answered: false, denial: None, failure: None }
    }

    /// A denial is not enough while another server may know better.
    fn is_done(&self) -> bool {
        self.is_answered || self.waiting == 0
    }

    fn is_denied(&self) -> bool {
        !self.is_answered && self.denial.is_some()
    }

    fn fails(&self) -> bool {
        !self.is_answered && self.denial.is_none()
    }
}

/// Up to a tenth sooner, so that names which came together do not stay together.
fn jittered(delay: Duration, name: &DomainName, now: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (name.as_str(), now.as_millis()).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 100).unwrap_or(0);
    delay.saturating_sub(delay / 1_000 * share)
}
