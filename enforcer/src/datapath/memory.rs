//! What memory the maps take, told before they take it.
//!
//! Computed from the definitions in the object, as the kernel accounts it (`map_mem_usage` of each
//! type, kernel/bpf/hashtab.c, arraymap.c, ringbuf.c; shown as `memlock` in the `fdinfo` of a map
//! since 6.4). The surprising thing: most of the large tables take memory for what is in them
//! (`BPF_F_NO_PREALLOC`), so the greatest figure is one that hardly any node comes to.

use std::fmt;

use aya::util::nr_cpus;
use aya_obj::{Map, Object, generated::bpf_map_type};
use enforcer_common::abi::map;

use super::{
    DatapathError,
    load::{LoadOptions, OBJECT},
    preflight::kernel_release,
};

const PAGE_BYTES: u64 = 4_096;
/// `struct bucket`: a list's head and a lock.
const BUCKET_BYTES: u64 = 16;
/// `struct htab_elem` before the key.
const ELEMENT_BYTES: u64 = 48;
/// `struct llist_node`, which the allocator of elements made on demand puts in front of each.
const ON_DEMAND_BYTES: u64 = 8;
/// `struct lpm_trie_node` before the prefix.
const NODE_BYTES: u64 = 40;
const POINTER_BYTES: u64 = 8;
/// `BPF_F_NO_PREALLOC` (include/uapi/linux/bpf.h).
const NO_PREALLOC: u32 = 1;

/// Bytes, as people read them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths_of = |unit: u64| self.0.saturating_mul(10).saturating_add(unit / 2) / unit;
        let (unit, name) = match self.0 {
            0..0x400 => return write!(formatter, "{} bytes", self.0),
            0x400..0x10_0000 => (0x400, "KiB"),
            0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
            _ => (0x4000_0000, "GiB"),
        };
        let tenths = tenths_of(unit);
        write!(formatter, "{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// The memory of all maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MapMemory {
    /// Taken at once.
    pub at_start: Bytes,
    /// Taken when every map is full; what sockets carry (their storage) is not counted.
    pub at_most: Bytes,
    /// Of this, what the addresses of names take.
    pub addresses: Bytes,
}

/// One map as it will be made.
struct Planned {
    kind: u32,
    key: u64,
    value: u64,
    entries: u64,
    is_on_demand: bool,
}

impl LoadOptions {
    /// What the maps will take.
    ///
    /// # Errors
    ///
    /// That the object cannot be read.
    pub fn memory(&self) -> Result<MapMemory, DatapathError> {
        let object = Object::parse(OBJECT).map_err(|error| DatapathError::Load {
            kernel: kernel_release(),
            source: Box::new(error.into()),
        })?;
        let mut memory = MapMemory::default();
        for (name, map) in &object.maps {
            let mut planned = Planned::of(map);
            match name.as_str() {
                map::ADDRS => planned.entries = self.max_addresses.into(),
                map::HOSTS => planned.entries = self.host_entries().into(),
                _ => {}
            }
            let (at_start, more) = planned.bytes();
            memory.at_start.0 += at_start;
            memory.at_most.0 += at_start + more;
            if name == map::ADDRS {
                memory.addresses.0 = at_start + more;
            }
        }
        Ok(memory)
    }
}

impl Planned {
    fn of(map: &Map) -> Self {
        Self {
            kind: map.map_type(),
            key: map.key_size().into(),
            value: map.value_size().into(),
            entries: map.max_entries().into(),
            is_on_demand: map.map_flags() & NO_PREALLOC != 0,
        }
    }

    /// What it takes at once, and what it takes besides when it is full.
    fn bytes(&self) -> (u64, u64) {
        use bpf_map_type as kind;
        let is = |one: bpf_map_type| self.kind == one as u32;
        let cpus = nr_cpus().map_or(1, |cpus| cpus as u64);
        let value = self.value.next_multiple_of(8);
        if is(kind::BPF_MAP_TYPE_HASH) || is(kind::BPF_MAP_TYPE_LRU_HASH) {
            let element = ELEMENT_BYTES + self.key.next_multiple_of(8) + value;
            let buckets = self.entries.next_power_of_two() * BUCKET_BYTES;
            if self.is_on_demand {
                return (buckets, self.entries * (element + ON_DEMAND_BYTES));
            }
            return (buckets + (self.entries + cpus) * element, 0);
        }
        if is(kind::BPF_MAP_TYPE_LPM_TRIE) {
            // The key begins with the four bytes of its length.
            let node = NODE_BYTES + self.key.saturating_sub(4) + self.value;
            return (0, self.entries * node);
        }
        let (at_start, more) = if is(kind::BPF_MAP_TYPE_ARRAY) {
            (self.entries * value, 0)
        } else if is(kind::BPF_MAP_TYPE_PERCPU_ARRAY) {
            (self.entries * (value * cpus + POINTER_BYTES), 0)
        } else if is(kind::BPF_MAP_TYPE_RINGBUF) {
            // Its pages are mapped twice, and three are its own.
            let pages = self.entries / PAGE_BYTES * 2 + 3;
            (self.entries + 3 * PAGE_BYTES + pages * POINTER_BYTES, 0)
        } else {
            (0, 0)
        };
        (at_start, more)
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn bytes_are_words_that_a_person_reads() {
        let shown = |bytes| Bytes(bytes).to_string();

        assert_eq!(shown(0), "0 bytes");
        assert_eq!(shown(1_023), "1023 bytes");
        assert_eq!(shown(1_536), "1.5 KiB");
        assert_eq!(shown(209_715_200), "200.0 MiB");
        assert_eq!(shown(1_610_612_736), "1.5 GiB");
    }
}
