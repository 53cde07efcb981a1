//! Which bit each rule owns, over the life of the datapath.
//!
//! The lowest slot wins, so slots follow the order of the rules. A rule whose text is unchanged
//! keeps its slot, and with it its counters, as far as the order allows. A slot that a rule has
//! lost is not given to another in the same step: the kernel's tables still hold its bits.
//!
//! Where nothing changes but the ranges of allow rules that name no domain, these keep their slots
//! as well, so that a change of one range writes one range. In between, such a rule has the ranges of both policies,
//! under the old generation; under the new one it has the new ones alone. That opens no more than the two policies do: the rules that deny are
//! the same ones at the same places, and of those that allow, the first that accepts a packet in
//! between accepts it in one of the policies, where none that denies it comes before.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::{self, Write as _},
};

use enforcer_common::{abi::MAX_RULES, rule_mask::RuleMask};

use sha2::{Digest as _, Sha256};

use super::CompileError;
use crate::policy::{Action, Endpoint, Rule};

/// The assignment in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// Slots by the digest of a rule's text; several where rules have the same text.
    owners: BTreeMap<Digest, VecDeque<u16>>,
    /// Slots that no rule owns and none may be given.
    reserved: RuleMask,
    /// The rules in order, each without its ranges. Of an earlier start's rules that is not known.
    order: Vec<Frame>,
}

/// A rule without its ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    slot: u16,
    digest: Digest,
}

/// What [`Slots::assign`] gives, in the order of the rules.
pub(super) struct Assigned {
    pub(super) slots: Vec<u16>,
    /// What identifies each rule, in hexadecimal.
    pub(super) digests: Vec<String>,
    /// Those that have kept their slots with other ranges.
    pub(super) rewritten: RuleMask,
}

impl Slots {
    /// The slots of an earlier start: those of its rules, by the digest of each
    /// ([`super::Tables::digests`]), and others that may not be given away yet.
    pub fn inherited(
        rules: impl IntoIterator<Item = (impl AsRef<str>, u16)>,
        reserved: RuleMask,
    ) -> Self {
        let mut owners = BTreeMap::<Digest, VecDeque<u16>>::new();
        for (digest, slot) in rules {
            if let Some(digest) = from_hex(digest.as_ref()) {
                owners.entry(digest).or_default().push_back(slot);
            }
        }
        for slots in owners.values_mut() {
            slots.make_contiguous().sort_unstable();
        }
        Self { owners, reserved, order: Vec::new() }
    }

    /// Slots that some rule owns, or that may not be given to any.
    pub fn used(&self) -> RuleMask {
        let mut used: RuleMask = self.owners.values().flatten().copied().collect();
        used.unite(&self.reserved);
        used
    }

    /// Nothing is left of the rules that had the reserved slots.
    pub fn release(&mut self) {
        self.reserved = RuleMask::EMPTY;
    }

    /// Gives each rule a slot, ascending.
    pub(super) fn assign(&mut self, rules: &[Rule]) -> Result<Assigned, CompileError> {
        if rules.len() > MAX_RULES {
            return Err(CompileError::TooManyRules { count: rules.len() });
        }
        let texts: Vec<Digest> = rules.iter().map(digest).collect();
        let frames: Vec<Digest> = rules.iter().map(frame).collect();
        let rewritten = self.rewritten(rules, &texts, &frames);
        let slots = match &rewritten {
            Some(_) => self.order.iter().map(|frame| frame.slot).collect(),
            None => self.assign_by_text(&texts)?,
        };
        let numbered = slots.iter().copied().zip(frames);
        self.order = numbered.map(|(slot, digest)| Frame { slot, digest }).collect();
        let digests = texts.iter().map(hex).collect();
        self.owners.clear();
        for (text, slot) in texts.into_iter().zip(slots.iter().copied()) {
            self.owners.entry(text).or_default().push_back(slot);
        }
        Ok(Assigned { slots, digests, rewritten: rewritten.unwrap_or(RuleMask::EMPTY) })
    }

    /// The rules whose ranges are others, where these allow, name no domain, and nothing else
    /// changes; `None`: something does. What a rule with names has admitted is to be known on, where
    /// an address has expired; what one with ranges alone has, its ranges tell at any time.
    fn rewritten(&self, rules: &[Rule], texts: &[Digest], frames: &[Digest]) -> Option<RuleMask> {
        if self.order.len() != rules.len() || rules.is_empty() {
            return None;
        }
        let mut rewritten = RuleMask::EMPTY;
        for (((before, rule), text), frame) in self.order.iter().zip(rules).zip(texts).zip(frames) {
            if before.digest != *frame {
                return None;
            }
            if self.owners.get(text).is_some_and(|slots| slots.contains(&before.slot)) {
                continue;
            }
            let has_names = rule.to.iter().any(|to| matches!(to, Endpoint::Fqdn { .. }));
            if rule.action != Action::Allow || has_names {
                return None;
            }
            rewritten.insert(before.slot);
        }
        Some(rewritten)
    }

    /// The slots of rules that keep theirs by their text, and others between.
    fn assign_by_text(&self, texts: &[Digest]) -> Result<Vec<u16>, CompileError> {
        let mut owners = self.owners.clone();
        let wished: Vec<Option<u16>> =
            texts.iter().map(|text| owners.get_mut(text).and_then(VecDeque::pop_front)).collect();
        let kept = longest_rising(&wished);
        fill_gaps(&kept, &self.used()).ok_or_else(|| {
            let kept = kept.iter().flatten().count();
            CompileError::NoFreeSlots { changed: texts.len() - kept, kept }
        })
    }
}

/// SHA-256 of a rule's text.
type Digest = [u8; 32];

fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _: fmt::Result = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    let mut rest = text;
    for byte in &mut digest {
        let (two, tail) = rest.split_at_checked(2)?;
        *byte = u8::from_str_radix(two, 16).ok()?;
        rest = tail;
    }
    rest.is_empty().then_some(digest)
}

/// What makes a rule the same rule: all of it but its place in the file. The name is part of it,
/// since counters are shown under it.
fn digest(rule: &Rule) -> Digest {
    digest_of(rule, true)
}

/// The same without the ranges.
fn frame(rule: &Rule) -> Digest {
    digest_of(rule, false)
}

fn digest_of(rule: &Rule, has_ranges: bool) -> Digest {
    let Rule { name, action, from, to, ports, allow_private_answers, origin } = rule;
    let mut hash = Sha256::new();
    hash.update(format!("{name}|{action}|{from:?}|{ports:?}|{allow_private_answers}|"));
    hash.update(format!("{:?}", origin.preset));
    // One buffer for all: there may be a million.
    let mut text = String::new();
    for endpoint in to {
        text.clear();
        // Writing to a string cannot fail.
        let _: fmt::Result = match endpoint {
            Endpoint::Fqdn { pattern, .. } => write!(text, "|{pattern:?}"),
            Endpoint::Cidr { prefix, except, .. } if has_ranges => {
                write!(text, "|{prefix}{except:?}")
            }
            Endpoint::Cidr { .. } => continue,
        };
        hash.update(&text);
    }
    hash.finalize().into()
}

/// Of the wished slots, the most that can be kept in rising order; the others become `None`.
fn longest_rising(wished: &[Option<u16>]) -> Vec<Option<u16>> {
    // Patience sorting: `piles` has the index of the smallest end of a run of each length.
    let mut piles: Vec<usize> = Vec::new();
    let mut before: HashMap<usize, usize> = HashMap::new();
    let slot_at = |index: usize| wished.get(index).copied().flatten();
    for (index, slot) in wished.iter().enumerate() {
        let Some(slot) = slot else { continue };
        let pile = piles.partition_point(|top| slot_at(*top).is_some_and(|top| top < *slot));
        if let Some(previous) = pile.checked_sub(1).and_then(|previous| piles.get(previous)) {
            before.insert(index, *previous);
        }
        match piles.get_mut(pile) {
            Some(top) => *top = index,
            None => piles.push(index),
        }
    }
    let mut kept = vec![None; wished.len()];
    let mut next = piles.last().copied();
    while let Some(index) = next {
        if let Some(place) = kept.get_mut(index) {
            *place = slot_at(index);
        }
        next = before.get(&index).copied();
    }
    kept
}

/// Puts the others between the kept ones, on slots that nobody owns, evenly apart so that later
/// changes find room too. Where a gap is too small, the kept slot that closes it is given up.
fn fill_gaps(kept: &[Option<u16>], used: &RuleMask) -> Option<Vec<u16>> {
    let mut kept = kept.to_vec();
    loop {
        match try_fill(&kept, used) {
            Ok(slots) => return Some(slots),
            Err(blocking) => *kept.get_mut(blocking?)? = None,
        }
    }
}

/// The slots, or the index of the kept one that closes a gap which is too small (`None`: the gap
/// ends at the last slot and begins at the first).
fn try_fill(kept: &[Option<u16>], used: &RuleMask) -> Result<Vec<u16>, Option<usize>> {
    let mut slots = Vec::with_capacity(kept.len());
    let mut from = 0_u16;
    let mut index = 0;
    while index < kept.len() {
        let rest = kept.get(index..).unwrap_or_default();
        let wanted = rest.iter().take_while(|slot| slot.is_none()).count();
        let end = rest.get(wanted).copied().flatten();
        let limit = end.unwrap_or(u16::try_from(MAX_RULES).unwrap_or(u16::MAX));
        let free: Vec<u16> = (from..limit).filter(|slot| !used.contains(*slot)).collect();
        if free.len() < wanted {
            let last_kept = kept.get(..index).unwrap_or_default().iter().rposition(Option::is_some);
            return Err(end.map(|_| index + wanted).or(last_kept));
        }
        for nth in 0..wanted {
            let at = (nth + 1) * (free.len() + 1) / (wanted + 1) - 1;
            slots.extend(free.get(at).copied());
        }
        slots.extend(end);
        from = limit.saturating_add(1);
        index += wanted + usize::from(end.is_some());
    }
    Ok(slots)
}
