//! What becomes of a packet, and the counter that tells.

use std::fmt;

use enforcer_common::verdict::{Implicit, Reason, Verdict};

use super::policy;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A rule of the policy lets it pass; by its index in [`policy::NAMES`].
    Rule(usize),
    /// An implicit rule lets it pass.
    Implicit(Implicit),
    /// It is dropped.
    Dropped(Reason),
}

/// A counter of the datapath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    /// Of a rule, by its index in [`policy::NAMES`].
    Rule(usize),
    /// Of an implicit rule.
    Implicit(Implicit),
    /// Of a reason.
    Drop(Reason),
    /// Of a verdict and whether it is on IPv6; by number, since a verdict has no order.
    Total(u8, bool),
}

/// What cannot come up here: it is of the loopback device, of flows, or of uplinks.
const ELSEWHERE: [Implicit; 4] =
    [Implicit::Loopback, Implicit::Reply, Implicit::Arp, Implicit::LinkControl];

impl Outcome {
    /// Each that can come up here: no packet is of a raw socket, or comes before the first policy.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let rules = (0..policy::NAMES.len()).filter(|rule| *rule != policy::DENYING);
        let implicit = Implicit::ALL.iter().copied();
        let implicit = implicit.filter(|it| !ELSEWHERE.contains(it));
        let reasons = Reason::ALL.iter().copied().filter(|reason| {
            !matches!(
                reason,
                Reason::Implicit
                    | Reason::NotReady
                    | Reason::ForgedResolver
                    | Reason::QdiscBypass
                    | Reason::AfXdp
            )
        });
        rules.map(Self::Rule).chain(implicit.map(Self::Implicit)).chain(reasons.map(Self::Dropped))
    }

    /// Whether it passes.
    pub const fn is_passed(self) -> bool {
        !matches!(self, Self::Dropped(_))
    }

    /// The counter that grows for it and for no other outcome.
    pub(super) const fn entry(self) -> Entry {
        match self {
            Self::Rule(rule) => Entry::Rule(rule),
            Self::Implicit(implicit) => Entry::Implicit(implicit),
            Self::Dropped(reason) => Entry::Drop(reason),
        }
    }

    /// Every counter that grows for it.
    pub(super) fn entries(self, is_v6: bool) -> impl Iterator<Item = Entry> {
        let verdict = if self.is_passed() { Verdict::Allow } else { Verdict::Deny };
        let by = (self == Self::Dropped(Reason::Rule)).then_some(Entry::Rule(policy::DENYING));
        [self.entry(), Entry::Total(verdict as u8, is_v6)].into_iter().chain(by)
    }
}

impl Entry {
    /// All.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let totals = [Verdict::Allow, Verdict::Deny].map(|verdict| verdict as u8);
        let totals =
            totals.into_iter().flat_map(|it| [Self::Total(it, false), Self::Total(it, true)]);
        (0..policy::NAMES.len())
            .map(Self::Rule)
            .chain(Implicit::ALL.iter().copied().map(Self::Implicit))
            .chain(Reason::ALL.iter().copied().map(Self::Drop))
            .chain(totals)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => {
                write!(f, "allowed by rule {}", policy::NAMES.get(*rule).unwrap_or(&"?"))
            }
            Self::Implicit(implicit) => write!(f, "allowed, {}", implicit.as_str()),
            Self::Dropped(reason) => write!(f, "dropped, {}", reason.as_str()),
        }
    }
}
