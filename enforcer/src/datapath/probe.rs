//! The running datapath's answers for one destination, for `explain`: the same `decide`, on
//! values that were looked up in the pinned maps.

use std::path::Path;

use enforcer_common::{
    abi::{BANKS, MAX_PORT_CLASSES, PORT_PLANES, map},
    address::Address,
    decide::Tables,
    fragment::{FragmentEntry, FragmentKey},
    learned::{AddressEntry, AddressKey},
    packet::protocol,
    rule_mask::RuleMask,
    settings::{ResolverKey, Settings},
};

use super::{
    DatapathError,
    maps::{Maps, found, trie_key},
    pin::Folder,
};
use crate::policy::compile::Prefix;

/// What the maps say about one destination, port and set of cgroups.
#[derive(Debug, Clone)]
pub struct Probed {
    settings: Settings,
    learned: Option<AddressEntry>,
    here: Option<AddressEntry>,
    host: Option<RuleMask>,
    prefix: Option<RuleMask>,
    ports: Option<RuleMask>,
    workloads: RuleMask,
    is_resolver: bool,
}

/// Looks a destination up in what is pinned below `bpffs`; `None` where nothing is.
///
/// `cgroups` are the ids of the cgroups that the asked sender is in.
pub fn probe(
    bpffs: &Path,
    address: Address,
    protocol: u8,
    port: u16,
    cgroups: &[u64],
) -> Result<Option<Probed>, DatapathError> {
    let Some(instance) = Folder::new(bpffs).current()? else { return Ok(None) };
    let maps = Maps::of_this_version(&instance)?;
    let generation =
        maps.generation.get(&0, 0).map_err(DatapathError::map("read", map::GENERATION))?;
    let bank = u32::try_from(generation % u64::from(BANKS)).unwrap_or(0);
    let settings =
        maps.settings.get(&bank, 0).map_err(DatapathError::map("read", map::SETTINGS))?;
    let mut workloads = RuleMask::EMPTY;
    for id in cgroups {
        if let Some(mask) = found(maps.workloads.get(id, 0), map::WORKLOADS)? {
            workloads.unite(&mask);
        }
    }
    let whole = Prefix { address, bits: 128 };
    let resolver = found(maps.resolvers.get(&ResolverKey::new(address, port), 0), map::RESOLVERS)?;
    Ok(Some(Probed {
        learned: found(maps.addrs.get(&AddressKey::everywhere(address), 0), map::ADDRS)?,
        here: maps.learned_somewhere(address)?,
        host: found(maps.hosts.get(&address, 0), map::HOSTS)?,
        prefix: found(maps.cidrs.get(&trie_key(&whole), 0), map::CIDRS)?,
        ports: maps.port_rules(&settings, protocol, port)?,
        is_resolver: resolver.is_some(),
        settings,
        workloads,
    }))
}

impl Maps {
    /// What some network namespace has learned of an address: which one the asked sender would be
    /// in is not known, so the one that counts longest.
    fn learned_somewhere(&self, address: Address) -> Result<Option<AddressEntry>, DatapathError> {
        let mut longest: Option<AddressEntry> = None;
        for key in self.addrs.keys() {
            let key = key.map_err(DatapathError::map("read", map::ADDRS))?;
            if key.address != address || key.namespace == 0 {
                continue;
            }
            let entry = found(self.addrs.get(&key, 0), map::ADDRS)?;
            longest = longest.into_iter().chain(entry).max_by_key(|entry| entry.expires_ns);
        }
        Ok(longest)
    }

    fn port_rules(
        &self,
        settings: &Settings,
        protocol: u8,
        port: u16,
    ) -> Result<Option<RuleMask>, DatapathError> {
        let (plane, column) = match protocol {
            protocol::TCP => (0, port),
            protocol::UDP => (1, port),
            protocol::SCTP => (2, port),
            other => (3, u16::from(other)),
        };
        let classes = self
            .port_classes
            .get(&(settings.bank * PORT_PLANES + plane), 0)
            .map_err(DatapathError::map("read", map::PORT_CLASSES))?;
        let Some(class) = classes.get(usize::from(column)) else { return Ok(None) };
        let index = settings.bank * MAX_PORT_CLASSES + u32::from(*class);
        self.class_masks
            .get(&index, 0)
            .map(Some)
            .map_err(DatapathError::map("read", map::CLASS_MASKS))
    }
}

impl Probed {
    /// The slots that the destination's names feed, expired or not, and when they expire.
    pub fn learned_entry(&self) -> Option<&AddressEntry> {
        self.learned.as_ref().or(self.here.as_ref())
    }
}

impl Tables for Probed {
    fn settings(&self) -> Option<&Settings> {
        (self.settings.generation != 0).then_some(&self.settings)
    }

    fn learned(&self, _: &Address) -> [Option<&AddressEntry>; 2] {
        [self.learned.as_ref(), self.here.as_ref()]
    }

    fn host(&self, _: &Address) -> Option<&RuleMask> {
        self.host.as_ref()
    }

    fn prefix(&self, _: &Address) -> Option<&RuleMask> {
        self.prefix.as_ref()
    }

    fn ports(&self, _: &Settings, _: u8, _: u16) -> Option<&RuleMask> {
        self.ports.as_ref()
    }

    fn add_workload_rules(&self, rules: &mut RuleMask) {
        rules.unite(&self.workloads);
    }

    fn is_resolver(&self, _: &Address, _: u16) -> bool {
        self.is_resolver
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
