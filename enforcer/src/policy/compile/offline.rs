//! Compiled tables as the decision asks for them: what `explain` and the tests judge by.

use std::collections::BTreeMap;

use enforcer_common::{
    address::Address,
    decide,
    fragment::{FragmentEntry, FragmentKey},
    learned::AddressEntry,
    rule_mask::RuleMask,
    settings::Settings,
};

use super::Tables;

/// Tables with what only a running machine adds: addresses of names, and who sends.
#[derive(Debug, Clone)]
pub struct Offline<'a> {
    tables: &'a Tables,
    settings: Settings,
    learned: BTreeMap<Address, AddressEntry>,
    workloads: RuleMask,
}

impl<'a> Offline<'a> {
    /// For a sender in no selected cgroup, with no address learned.
    pub fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            settings: tables.settings(1),
            learned: BTreeMap::new(),
            workloads: RuleMask::EMPTY,
        }
    }

    /// Takes an address for one of names that feed `rules`, for ever.
    pub fn learn(&mut self, address: Address, rules: RuleMask) {
        let fresh = AddressEntry::forever();
        self.learned.entry(address).or_insert(fresh).rules.unite(&rules);
    }

    /// Sets the sender's cgroup by its path: the rules of every cgroup around it apply.
    pub fn send_from(&mut self, cgroup: &str) {
        self.workloads = self.tables.workloads.rules_on_the_way(cgroup);
    }
}

impl decide::Tables for Offline<'_> {
    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn learned(&self, address: &Address) -> [Option<&AddressEntry>; 2] {
        [self.learned.get(address), None]
    }

    fn host(&self, address: &Address) -> Option<&RuleMask> {
        self.tables.prefixes.host(address)
    }

    fn prefix(&self, address: &Address) -> Option<&RuleMask> {
        self.tables.prefixes.around(address)
    }

    fn ports(&self, _: &Settings, protocol: u8, port: u16) -> Option<&RuleMask> {
        self.tables.ports.rules(protocol, port)
    }

    fn add_workload_rules(&self, rules: &mut RuleMask) {
        rules.unite(&self.workloads);
    }

    fn is_resolver(&self, address: &Address, port: u16) -> bool {
        self.tables.resolvers.binary_search(&(*address, port)).is_ok()
    }

    fn has_asked_resolver(&self) -> bool {
        false
    }

    fn is_reply(&self) -> bool {
        false
    }

    fn flow_rule(&self) -> Option<u16> {
        None
    }

    fn fragment(&self, _: &FragmentKey) -> Option<&FragmentEntry> {
        None
    }
}
