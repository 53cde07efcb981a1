//! What earlier starts have left in the kernel, and what the next one takes over from it.
//!
//! Their programs go on judging until the next ones are in their place, so whatever those may let
//! pass is to be known: a slot with traces of an old rule must not be given to a new one.

use std::collections::BTreeMap;

use aya::programs::ProgramInfo;
use enforcer_common::{
    abi::{BANKS, HANDED_ON, map},
    address::Address,
    rule_mask::RuleMask,
};

use super::{
    DatapathError, Document,
    attach::{HOOKS, Hook, UPLINK_HOOKS},
    link,
    maps::Maps,
    pin::{Folder, Instance},
    state::{self, Shape},
};

/// A start whose programs are at work.
pub(super) struct Predecessor {
    /// The start that readers are shown.
    pub(super) newest: Instance,
    /// Others that left something behind.
    others: Vec<Instance>,
    pub(super) document: Document,
    pub(super) generation: u64,
    /// Slots that some program at work knows.
    pub(super) occupied: RuleMask,
    /// Numbers of resolvers.
    pub(super) numbers: BTreeMap<(Address, u16), u32>,
    /// Entries that there can be addresses of names; `None`: the maps have another layout.
    pub(super) max_addresses: Option<u32>,
}

impl std::fmt::Debug for Predecessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predecessor").field("newest", &self.newest).finish_non_exhaustive()
    }
}

impl Predecessor {
    /// The map of what sockets asked for, which no copy could be made of, where it is laid out
    /// alike.
    pub(super) fn sockets(&self) -> Vec<&'static str> {
        let theirs = self.document.layouts.get(map::SOCKETS).map(|layout| layout.since);
        let is_alike =
            |(name, since): &&(&str, u32)| *name == map::SOCKETS && theirs == Some(*since);
        HANDED_ON.iter().filter(is_alike).map(|(name, _)| *name).collect()
    }

    /// Whether a program is one that some start has pinned for a hook.
    pub(super) fn has_program(&self, hook: Hook, id: u32) -> bool {
        let is_it = |it: &Instance| link::program_id(&it.program(hook.program)).ok() == Some(id);
        self.instances().any(is_it)
    }

    /// How many of the programs differ from those that another start has loaded, by their tags (a
    /// digest of their instructions that the kernel makes), and how many there are.
    pub(super) fn changed_programs(&self, next: &Instance) -> (usize, usize) {
        let tag = |it: &Instance, hook: &Hook| {
            ProgramInfo::from_pin(it.program(hook.program)).ok().map(|info| info.tag())
        };
        let hooks = HOOKS.iter().chain(&UPLINK_HOOKS);
        let changed = hooks.clone().filter(|hook| tag(&self.newest, hook) != tag(next, hook));
        (changed.count(), hooks.count())
    }

    /// Every start, the newest first.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance> {
        std::iter::once(&self.newest).chain(&self.others)
    }

    /// Looks for one; `None`: there is none, or one of which so much is missing that it can only
    /// be replaced.
    pub(super) fn find(folder: &Folder) -> Result<Option<Box<Self>>, DatapathError> {
        let mut instances = folder.instances()?;
        instances.retain(|instance| !instance.is_ended());
        let current = match folder.current()? {
            Some(current) if instances.contains(&current) => Some(current),
            // Somebody has taken the link away.
            _ => instances.iter().rev().find(|it| is_enforcing(it)).cloned(),
        };
        let Some(current) = current else { return Ok(None) };
        instances.retain(|instance| *instance != current);
        if !current.is_of_this_abi() {
            return Self::of_other_abi(current, instances).map(|found| Some(Box::new(found)));
        }
        match Self::open(current, instances) {
            Ok(found) => Ok(Some(Box::new(found))),
            Err(error) if error.is_of_missing_pin() => {
                tracing::warn!(
                    %error,
                    "what an earlier start has learned cannot be taken over; its programs judge \
                     beside the new ones until those are all there"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// One of another version, which has to say how its maps are laid out.
    fn of_other_abi(newest: Instance, others: Vec<Instance>) -> Result<Self, DatapathError> {
        let unknown = || DatapathError::OtherLayout { path: newest.path().to_owned() };
        let document = Maps::document_of(&newest).map_err(|error| {
            tracing::error!(%error, "read what the agent of another version has said");
            unknown()
        })?;
        if document.layouts.is_empty() {
            return Err(unknown());
        }
        let generation = document.policy.generation;
        let occupied = document.rules.iter().map(|rule| rule.slot).collect();
        let (numbers, max_addresses) = (BTreeMap::new(), None);
        Ok(Self { newest, others, document, generation, occupied, numbers, max_addresses })
    }

    fn open(newest: Instance, others: Vec<Instance>) -> Result<Self, DatapathError> {
        state::check(&newest)?;
        let maps = Maps::open(&newest)?;
        let document = maps.read_document()?;
        let generation =
            maps.generation.get(&0, 0).map_err(DatapathError::map("read", map::GENERATION))?;
        let mut occupied = maps.slots_known()?;
        occupied.unite(&document.rules.iter().map(|rule| rule.slot).collect());
        for other in others.iter().filter(|other| other.is_of_this_abi()) {
            match Maps::open(other) {
                Ok(maps) => occupied.unite(&maps.slots_known()?),
                // It was killed before it had all its maps: none of its programs is at work.
                Err(error) if error.is_of_missing_pin() && other.links()?.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let numbers = maps.resolver_numbers()?;
        let max_addresses = Some(Shape::found(&newest, map::ADDRS)?.entries);
        Ok(Self { newest, others, document, generation, occupied, numbers, max_addresses })
    }
}

impl Maps {
    /// The slots that programs over these maps may set or honour, a policy that was being applied
    /// included.
    fn slots_known(&self) -> Result<RuleMask, DatapathError> {
        let mut known = RuleMask::EMPTY;
        for bank in 0..BANKS {
            let settings =
                self.settings.get(&bank, 0).map_err(DatapathError::map("read", map::SETTINGS))?;
            known.unite(&settings.active);
        }
        for entry in &self.names {
            let (_, entry) = entry.map_err(DatapathError::map("read", map::NAMES))?;
            known.unite(&entry.exact);
            known.unite(&entry.below);
        }
        for check in self.name_checks.iter() {
            known.unite(&check.map_err(DatapathError::map("read", map::NAME_CHECKS))?.rules);
        }
        Ok(known)
    }

    fn resolver_numbers(&self) -> Result<BTreeMap<(Address, u16), u32>, DatapathError> {
        let mut numbers = BTreeMap::new();
        for entry in &self.resolvers {
            let (key, entry) = entry.map_err(DatapathError::map("read", map::RESOLVERS))?;
            numbers.insert((key.address(), key.port()), entry.number);
        }
        Ok(numbers)
    }
}

/// What the agent of the start that readers are shown has said of itself.
pub(super) fn document_of(folder: &Folder) -> Option<Document> {
    let current = folder.current().ok()??;
    Maps::document_of(&current).ok()
}

fn is_enforcing(instance: &Instance) -> bool {
    HOOKS
        .iter()
        .filter(|hook| hook.is_enforcing())
        .any(|hook| link::is_attached(&instance.link(hook.name)))
}
