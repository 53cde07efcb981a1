//! Typed access to the pinned maps of one start.

use std::{fs, os::fd::AsFd as _};

use aya::{
    Pod,
    maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, RingBuf, lpm_trie::Key},
};
use enforcer_common::{
    abi::{DOCUMENT_PAGE_BYTES, PORTS, map},
    address::Address,
    counter::Hits,
    dns::{
        check::LabelCheck,
        name::{NameEntry, NameKey},
    },
    flow::{FlowEntry, FlowKey},
    learned::{AddressEntry, AddressKey},
    quota::SlotUse,
    rule_mask::RuleMask,
    settings::{ResolverEntry, ResolverKey, Settings},
    uplink::Uplink,
};

use super::{DatapathError, bulk::Bulk, pin::Instance, reading::Counter};
use crate::policy::compile::Prefix;

pub(super) type Ports = [u16; PORTS];
pub(super) type DocumentValue = [u8; DOCUMENT_PAGE_BYTES];

/// What became of an address that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It stands in the map.
    Written,
    /// The map is full; nothing was evicted.
    Full,
    /// The rule has as many as it may have.
    OverQuota,
}

/// The maps.
pub(super) struct Maps {
    pub(super) generation: Array<MapData, u64>,
    pub(super) settings: Array<MapData, Settings>,
    pub(super) addrs: HashMap<MapData, AddressKey, AddressEntry>,
    pub(super) slot_use: Array<MapData, SlotUse>,
    pub(super) gone: Array<MapData, u64>,
    pub(super) hosts: Bulk<HashMap<MapData, Address, RuleMask>>,
    pub(super) cidrs: Bulk<LpmTrie<MapData, Address, RuleMask>>,
    pub(super) names: LpmTrie<MapData, NameKey, NameEntry>,
    pub(super) name_checks: Array<MapData, LabelCheck>,
    pub(super) special: LpmTrie<MapData, Address, u32>,
    pub(super) virtual_ranges: LpmTrie<MapData, Address, u32>,
    pub(super) port_classes: Array<MapData, Ports>,
    pub(super) class_masks: Array<MapData, RuleMask>,
    pub(super) workloads: HashMap<MapData, u64, RuleMask>,
    pub(super) resolvers: HashMap<MapData, ResolverKey, ResolverEntry>,
    pub(super) uplinks: HashMap<MapData, u32, Uplink>,
    pub(super) flows: HashMap<MapData, FlowKey, FlowEntry>,
    pub(super) name_text: HashMap<MapData, u64, NameKey>,
    pub(super) document: Array<MapData, DocumentValue>,
    pub(super) heartbeat: Array<MapData, u64>,
    pub(super) slot_since: Array<MapData, u64>,
    pub(super) rule_hits: PerCpuArray<MapData, Hits>,
    pub(super) implicit_hits: PerCpuArray<MapData, Hits>,
    pub(super) drops: PerCpuArray<MapData, Hits>,
    pub(super) totals: PerCpuArray<MapData, Hits>,
    pub(super) learning: PerCpuArray<MapData, u64>,
}

impl Maps {
    /// Opens the pins of a start, for readers.
    pub(super) fn of_this_version(instance: &Instance) -> Result<Self, DatapathError> {
        if instance.is_of_this_abi() {
            Self::open(instance)
        } else {
            Err(DatapathError::OtherVersion { path: instance.path().to_owned() })
        }
    }

    /// Opens the pins of a start.
    pub(super) fn open(instance: &Instance) -> Result<Self, DatapathError> {
        let at = |name| Opener { instance, name };
        Ok(Self {
            generation: at(map::GENERATION).array()?,
            settings: at(map::SETTINGS).array()?,
            addrs: at(map::ADDRS).hash()?,
            slot_use: at(map::USE).array()?,
            gone: at(map::GONE).array()?,
            hosts: at(map::HOSTS).bulk(Opener::hash)?,
            cidrs: at(map::CIDRS).bulk(Opener::trie)?,
            names: at(map::NAMES).trie()?,
            name_checks: at(map::NAME_CHECKS).array()?,
            special: at(map::SPECIAL).trie()?,
            virtual_ranges: at(map::VIRTUAL).trie()?,
            port_classes: at(map::PORT_CLASSES).array()?,
            class_masks: at(map::CLASS_MASKS).array()?,
            workloads: at(map::WORKLOADS).hash()?,
            resolvers: at(map::RESOLVERS).hash()?,
            uplinks: at(map::UPLINKS).hash()?,
            flows: at(map::FLOWS).least_recently_used()?,
            name_text: at(map::NAME_TEXT).hash()?,
            document: at(map::DOCUMENT).array()?,
            heartbeat: at(map::HEARTBEAT).array()?,
            slot_since: at(map::SLOT_SINCE).array()?,
            rule_hits: at(map::RULE_HITS).per_cpu()?,
            implicit_hits: at(map::IMPLICIT_HITS).per_cpu()?,
            drops: at(map::DROPS).per_cpu()?,
            totals: at(map::TOTALS).per_cpu()?,
            learning: at(map::LEARNING).per_cpu()?,
        })
    }
}

/// One pin on its way to a typed map.
pub(super) struct Opener<'a> {
    pub(super) instance: &'a Instance,
    pub(super) name: &'static str,
}

impl Opener<'_> {
    fn data(&self) -> Result<MapData, DatapathError> {
        let path = self.instance.map(self.name);
        if let Err(error) = fs::symlink_metadata(&path) {
            return Err(DatapathError::pin("open the pin", path)(error));
        }
        MapData::from_pin(path).map_err(DatapathError::map("open", self.name))
    }

    pub(super) fn array<V: Pod>(&self) -> Result<Array<MapData, V>, DatapathError> {
        Array::try_from(Map::Array(self.data()?)).map_err(DatapathError::map("open", self.name))
    }

    fn per_cpu<V: Pod>(&self) -> Result<PerCpuArray<MapData, V>, DatapathError> {
        PerCpuArray::try_from(Map::PerCpuArray(self.data()?))
            .map_err(DatapathError::map("open", self.name))
    }

    pub(super) fn hash<K: Pod, V: Pod>(&self) -> Result<HashMap<MapData, K, V>, DatapathError> {
        HashMap::try_from(Map::HashMap(self.data()?)).map_err(DatapathError::map("open", self.name))
    }

    fn least_recently_used<K: Pod, V: Pod>(&self) -> Result<HashMap<MapData, K, V>, DatapathError> {
        HashMap::try_from(Map::LruHashMap(self.data()?))
            .map_err(DatapathError::map("open", self.name))
    }

    pub(super) fn ring(&self) -> Result<RingBuf<MapData>, DatapathError> {
        RingBuf::try_from(Map::RingBuf(self.data()?)).map_err(DatapathError::map("open", self.name))
    }

    /// A map that is written in batches; `open` opens it as what it is.
    fn bulk<M>(
        &self,
        open: impl FnOnce(&Self) -> Result<M, DatapathError>,
    ) -> Result<Bulk<M>, DatapathError> {
        let own = self.data()?.fd().as_fd().try_clone_to_owned();
        let own = own.map_err(DatapathError::pin("open the pin", self.instance.map(self.name)))?;
        Ok(Bulk::new(open(self)?, own, self.name))
    }

    fn trie<K: Pod, V: Pod>(&self) -> Result<LpmTrie<MapData, K, V>, DatapathError> {
        LpmTrie::try_from(Map::LpmTrie(self.data()?)).map_err(DatapathError::map("open", self.name))
    }
}

/// The key of a prefix in a trie.
pub(super) fn trie_key(prefix: &Prefix) -> Key<Address> {
    Key::new(u32::from(prefix.bits), prefix.address)
}

/// A counter summed over all CPUs.
pub(super) fn sum(
    hits: &PerCpuArray<MapData, Hits>,
    index: u32,
    map: &'static str,
) -> Result<Counter, DatapathError> {
    let each = hits.get(&index, 0).map_err(DatapathError::map("read", map))?;
    Ok(each.iter().fold(Counter::default(), |total, cpu| Counter {
        packets: total.packets + cpu.packets,
        bytes: total.bytes + cpu.bytes,
        last_hit_ns: total.last_hit_ns.max(cpu.last_ns),
    }))
}

/// `None` where a key is not there.
pub(super) fn found<V>(
    result: Result<V, MapError>,
    map: &'static str,
) -> Result<Option<V>, DatapathError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(DatapathError::map("read", map)(error)),
    }
}

/// Whether an update failed because the map holds as much as it can (`E2BIG`), or because the
/// kernel has no memory for it (`ENOMEM`).
pub(super) fn is_full(error: &MapError) -> bool {
    const E2BIG: i32 = 7;
    const ENOMEM: i32 = 12;
    let MapError::SyscallError(error) = error else { return false };
    matches!(error.io_error.raw_os_error(), Some(E2BIG | ENOMEM))
}

/// A key that is gone already is as good as removed.
pub(super) fn removed(
    result: Result<(), MapError>,
    map: &'static str,
) -> Result<(), DatapathError> {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        Err(error) => Err(DatapathError::map("remove from", map)(error)),
    }
}
