//! Tables into maps, in an order that never opens more than the old and the new policy together.
//!
//! 1. Every mask table is written as the union of old and new. New rules have slots that no old
//!    rule has, so under the old generation the added bits are not active. Where nothing but ranges
//!    of allow rules changes, they are ([`crate::policy::compile::Slots`] tells why they may), and
//!    what the new policy does not have is removed before the flip: nothing that passes under the
//!    new generation, and would be believed later, goes to a range that is lost.
//! 2. The idle settings entry and the idle bank of ports are written, and since which generation
//!    each new rule has its slot: what the slot's last rule admitted is not admitted any more.
//! 3. One word, the generation, is flipped: from here on the new policy judges.
//! 4. Every mask table is written as the new policy has it, and what it no longer has is removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use aya::{
    maps::{MapError, PerCpuValues},
    util::nr_cpus,
};
use enforcer_common::{
    abi::{MAX_PORT_CLASSES, PORT_PLANES, PORTS, map},
    address::Address,
    counter::Hits,
    rule_mask::RuleMask,
    settings::{ResolverEntry, ResolverKey, flag},
};

use super::{
    Datapath, DatapathError,
    maps::{removed, trie_key},
    names::AppliedNames,
    transition::Transition,
};
use crate::policy::compile::{Prefix, PrefixTable, Tables};

/// What the maps hold.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) generation: u64,
    pub(super) active: RuleMask,
    prefixes: Arc<PrefixTable>,
    virtual_ranges: Vec<Prefix>,
    workloads: BTreeMap<u64, RuleMask>,
    resolvers: Vec<(Address, u16)>,
    /// The numbers of all servers that were ever trusted while the maps live, and the highest.
    pub(super) numbers: BTreeMap<(Address, u16), u32>,
    pub(super) highest_number: u32,
    /// Slots that a predecessor's programs know: a rule that has one of them has had it before.
    pub(super) inherited: RuleMask,
    /// Addresses of this node.
    own: BTreeSet<Address>,
    pub(super) names: AppliedNames,
    pub(super) special: BTreeMap<Prefix, u32>,
    pub(super) grace_ns: u64,
    is_unsettled: bool,
}

impl Applied {
    /// The number of a server: always the same one, and never 0.
    fn number(&mut self, address: Address, port: u16) -> u32 {
        let highest = &mut self.highest_number;
        *self.numbers.entry((address, port)).or_insert_with(|| {
            *highest = highest.saturating_add(1);
            *highest
        })
    }

    /// No policy may be applied any more.
    pub(super) fn leave_unsettled(&mut self) {
        self.is_unsettled = true;
    }
}

impl Datapath {
    /// Puts a policy in force. `workloads` has the rules of each cgroup id that exists.
    ///
    /// # Errors
    ///
    /// A map that is full or broken. Before the generation is flipped the old policy goes on and
    /// what was written of the new one is withdrawn; afterwards the new one is in force and only
    /// leftovers of the old remain. [`DatapathError::Unsettled`] where leftovers could not be
    /// removed: no policy may be applied any more, since a slot could be given away with traces
    /// of its last rule.
    pub fn apply(
        &mut self,
        tables: &Tables,
        workloads: &BTreeMap<u64, RuleMask>,
    ) -> Result<u64, DatapathError> {
        if self.applied.is_unsettled {
            return Err(DatapathError::Unsettled);
        }
        let generation = self.applied.generation + 1;
        let old = Arc::clone(&self.applied.prefixes);
        let way = Transition::between(&old, &tables.prefixes);
        if let Err(error) = self.write_and_flip(tables, workloads, &way, generation) {
            if let Err(leftover) = self.withdraw(tables, workloads, &way) {
                tracing::error!(%leftover, "withdraw a policy that could not be applied");
                self.applied.is_unsettled = true;
            }
            return Err(error);
        }
        let mut freed = self.applied.active;
        freed.subtract(&tables.active);
        // Held until the end: an early return leaves traces of the old policy in the tables.
        self.applied.is_unsettled = true;
        self.settle(tables, workloads, &way)?;
        self.settle_names(&tables.name_trie, generation)?;
        self.clear_rules(&freed)?;
        self.clear_counters(&freed)?;
        let applied = &mut self.applied;
        (applied.generation, applied.active) = (generation, tables.active);
        applied.prefixes = Arc::clone(&tables.prefixes);
        applied.virtual_ranges = tables.virtual_ranges.clone().unwrap_or_default();
        applied.workloads.clone_from(workloads);
        applied.resolvers.clone_from(&tables.resolvers);
        applied.grace_ns = tables.settings(generation).grace_ns;
        applied.is_unsettled = false;
        Ok(generation)
    }

    /// Steps 1 to 3.
    fn write_and_flip(
        &mut self,
        tables: &Tables,
        workloads: &BTreeMap<u64, RuleMask>,
        way: &Transition<'_>,
        generation: u64,
    ) -> Result<(), DatapathError> {
        self.write_union(tables, workloads, way)?;
        if has_settled(tables) {
            self.settle_prefixes(way)?;
        }
        self.write_both_names(&tables.name_trie, generation)?;
        self.write_idle(tables, generation)?;
        let mut added = tables.active;
        added.subtract(&self.applied.active);
        added.subtract(&self.applied.inherited);
        // Of rules that are older the start before knows better. One that has lost a range has
        // admitted flows to it: those are judged anew.
        let mut begun = tables.rewritten;
        begun.intersect(&way.narrowed());
        begun.unite(&added);
        for slot in begun.slots() {
            self.maps
                .slot_since
                .set(u32::from(slot), generation, 0)
                .map_err(DatapathError::map("write", map::SLOT_SINCE))?;
        }
        self.maps
            .generation
            .set(0, generation, 0)
            .map_err(DatapathError::map("write", map::GENERATION))
    }

    /// Undoes step 1: every table as the policy in force has it.
    fn withdraw(
        &mut self,
        tables: &Tables,
        workloads: &BTreeMap<u64, RuleMask>,
        way: &Transition<'_>,
    ) -> Result<(), DatapathError> {
        if has_settled(tables) {
            self.restore_prefixes(way)?;
        } else {
            self.withdraw_prefixes(way)?;
        }
        for id in workloads.keys() {
            match self.applied.workloads.get(id) {
                Some(before) => {
                    let written = self.maps.workloads.insert(id, before, 0);
                    written.map_err(DatapathError::map("write", map::WORKLOADS))?;
                }
                None => removed(self.maps.workloads.remove(id), map::WORKLOADS)?,
            }
        }
        for range in tables.virtual_ranges.iter().flatten() {
            if self.applied.virtual_ranges.binary_search(range).is_err() {
                removed(self.maps.virtual_ranges.remove(&trie_key(range)), map::VIRTUAL)?;
            }
        }
        for server in &tables.resolvers {
            if !self.applied.resolvers.contains(server) {
                let key = ResolverKey::new(server.0, server.1);
                removed(self.maps.resolvers.remove(&key), map::RESOLVERS)?;
            }
        }
        self.withdraw_names(&tables.name_trie)?;
        let mut added = tables.active;
        added.subtract(&self.applied.active);
        self.clear_rules(&added)
    }

    fn write_resolver(
        &mut self,
        address: Address,
        port: u16,
        number: u32,
    ) -> Result<(), DatapathError> {
        let is_local = address.is_this_host() || self.applied.own.contains(&address);
        let entry = ResolverEntry { number, is_local: u32::from(is_local), cgroup: 0 };
        self.maps
            .resolvers
            .insert(ResolverKey::new(address, port), entry, 0)
            .map_err(DatapathError::map("write", map::RESOLVERS))
    }

    /// Tells which addresses are this node's: answers of resolvers there come by loopback.
    pub fn set_own_addresses(&mut self, own: &BTreeSet<Address>) -> Result<(), DatapathError> {
        if self.applied.own == *own {
            return Ok(());
        }
        self.applied.own.clone_from(own);
        for (address, port) in self.applied.resolvers.clone() {
            let number = self.applied.number(address, port);
            self.write_resolver(address, port, number)?;
        }
        Ok(())
    }

    /// The server with this number.
    pub fn resolver(&self, number: u32) -> Option<SocketAddr> {
        let mut numbers = self.applied.numbers.iter();
        let ((address, port), _) = numbers.find(|(_, known)| **known == number)?;
        Some(SocketAddr::new(IpAddr::from(*address), *port))
    }

    /// The highest number that a server has.
    pub fn highest_resolver_number(&self) -> u32 {
        self.applied.highest_number
    }

    /// The generation in force; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.applied.generation
    }

    /// Brings the cgroups of the policy in force up to date.
    pub fn set_workloads(
        &mut self,
        workloads: &BTreeMap<u64, RuleMask>,
    ) -> Result<(), DatapathError> {
        let map = &mut self.maps.workloads;
        for (id, mask) in workloads {
            if self.applied.workloads.get(id) != Some(mask) {
                map.insert(id, mask, 0).map_err(DatapathError::map("write", map::WORKLOADS))?;
            }
        }
        for id in self.applied.workloads.keys().filter(|id| !workloads.contains_key(id)) {
            removed(map.remove(id), map::WORKLOADS)?;
        }
        self.applied.workloads.clone_from(workloads);
        Ok(())
    }

    /// A rule that is given a slot begins to count at zero.
    pub(super) fn clear_counters(&mut self, freed: &RuleMask) -> Result<(), DatapathError> {
        let cpus = nr_cpus().map_err(|(_, source)| {
            DatapathError::map("size", map::RULE_HITS)(MapError::IoError(source))
        })?;
        for slot in freed.slots() {
            PerCpuValues::try_from(vec![Hits::default(); cpus])
                .map_err(MapError::IoError)
                .and_then(|zero| self.maps.rule_hits.set(u32::from(slot), zero, 0))
                .map_err(DatapathError::map("write", map::RULE_HITS))?;
        }
        Ok(())
    }

    /// Step 1.
    fn write_union(
        &mut self,
        tables: &Tables,
        workloads: &BTreeMap<u64, RuleMask>,
        way: &Transition<'_>,
    ) -> Result<(), DatapathError> {
        self.unite_prefixes(way)?;
        for (id, mask) in workloads {
            let mut both = *mask;
            both.unite(self.applied.workloads.get(id).unwrap_or(&RuleMask::EMPTY));
            self.maps
                .workloads
                .insert(id, both, 0)
                .map_err(DatapathError::map("write", map::WORKLOADS))?;
        }
        for range in tables.virtual_ranges.iter().flatten() {
            self.maps
                .virtual_ranges
                .insert(&trie_key(range), 1, 0)
                .map_err(DatapathError::map("write", map::VIRTUAL))?;
        }
        for (address, port) in &tables.resolvers {
            let number = self.applied.number(*address, *port);
            self.write_resolver(*address, *port, number)?;
        }
        Ok(())
    }

    /// Step 2.
    fn write_idle(&mut self, tables: &Tables, generation: u64) -> Result<(), DatapathError> {
        let mut settings = tables.settings(generation);
        settings.host_cookie = self.host_cookie;
        if self.judges_uplinks {
            settings.flags |= flag::UPLINKS;
        }
        if self.is_watching {
            settings.flags |= flag::AUDIT;
        }
        let first_class = settings.bank * MAX_PORT_CLASSES;
        for (index, mask) in (first_class..).zip(&tables.ports.classes) {
            self.maps
                .class_masks
                .set(index, mask, 0)
                .map_err(DatapathError::map("write", map::CLASS_MASKS))?;
        }
        for (plane, classes) in (settings.bank * PORT_PLANES..).zip(&tables.ports.planes) {
            let classes: &[u16; PORTS] =
                classes.first_chunk().ok_or(DatapathError::Missing { what: "plane of ports" })?;
            self.maps
                .port_classes
                .set(plane, classes, 0)
                .map_err(DatapathError::map("write", map::PORT_CLASSES))?;
        }
        self.maps
            .settings
            .set(settings.bank, settings, 0)
            .map_err(DatapathError::map("write", map::SETTINGS))
    }

    /// Step 4.
    fn settle(
        &mut self,
        tables: &Tables,
        workloads: &BTreeMap<u64, RuleMask>,
        way: &Transition<'_>,
    ) -> Result<(), DatapathError> {
        if !has_settled(tables) {
            self.settle_prefixes(way)?;
        }
        self.set_workloads(workloads)?;
        let kept = tables.virtual_ranges.as_deref().unwrap_or_default();
        for range in &self.applied.virtual_ranges {
            if kept.binary_search(range).is_err() {
                removed(self.maps.virtual_ranges.remove(&trie_key(range)), map::VIRTUAL)?;
            }
        }
        for (address, port) in &self.applied.resolvers {
            if !tables.resolvers.contains(&(*address, *port)) {
                let key = ResolverKey::new(*address, *port);
                removed(self.maps.resolvers.remove(&key), map::RESOLVERS)?;
            }
        }
        Ok(())
    }
}

/// Whether the ranges are as the new policy has them before the generation is flipped.
fn has_settled(tables: &Tables) -> bool {
    !tables.rewritten.is_empty()
}
