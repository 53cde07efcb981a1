//! Single addresses and prefixes in their maps, over a reload.

use enforcer_common::{address::Address, rule_mask::RuleMask};

use super::{Datapath, DatapathError, maps::trie_key, transition::Transition};
use crate::policy::compile::Prefix;

impl Datapath {
    /// What both policies say: under the old generation bits of new rules are not active.
    pub(super) fn unite_prefixes(&mut self, way: &Transition<'_>) -> Result<(), DatapathError> {
        self.write_prefixes(way.hosts.united(), way.prefixes.united())
    }

    /// What the new policy says alone.
    pub(super) fn settle_prefixes(&mut self, way: &Transition<'_>) -> Result<(), DatapathError> {
        self.write_prefixes(way.hosts.settled(), way.prefixes.settled())?;
        self.remove_prefixes(way.hosts.dropped(), way.prefixes.dropped())
    }

    /// Undoes [`Self::unite_prefixes`], however far it came.
    pub(super) fn withdraw_prefixes(&mut self, way: &Transition<'_>) -> Result<(), DatapathError> {
        self.write_prefixes(way.hosts.withdrawn(), way.prefixes.withdrawn())?;
        self.remove_prefixes(way.hosts.added(), way.prefixes.added())
    }

    /// Undoes [`Self::unite_prefixes`] and [`Self::settle_prefixes`] behind it, however far they
    /// came.
    pub(super) fn restore_prefixes(&mut self, way: &Transition<'_>) -> Result<(), DatapathError> {
        self.write_prefixes(way.hosts.restored(), way.prefixes.restored())?;
        self.remove_prefixes(way.hosts.added(), way.prefixes.added())
    }

    fn write_prefixes<'t>(
        &mut self,
        hosts: impl Iterator<Item = (&'t Address, RuleMask)>,
        prefixes: impl Iterator<Item = (&'t Prefix, RuleMask)>,
    ) -> Result<(), DatapathError> {
        self.maps.hosts.write_all(hosts.map(|(address, mask)| (*address, mask)))?;
        self.maps.cidrs.write_all(prefixes.map(|(prefix, mask)| (trie_key(prefix), mask)))
    }

    fn remove_prefixes<'t>(
        &mut self,
        hosts: impl Iterator<Item = &'t Address>,
        prefixes: impl Iterator<Item = &'t Prefix>,
    ) -> Result<(), DatapathError> {
        self.maps.hosts.remove_all(hosts.copied())?;
        self.maps.cidrs.remove_all(prefixes.map(trie_key))
    }
}
