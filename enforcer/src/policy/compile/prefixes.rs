//! CIDR endpoints as a longest-prefix table in which each prefix carries the shorter ones' rules.

use enforcer_common::{abi::MAX_RULES, address::Address, rule_mask::RuleMask};
use ipnet::IpNet;

const ADDRESS_BITS: u8 = 128;
const V4_ROOT_BITS: u8 = 96;

/// An address and how many of its leading bits count; the others are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The address, IPv4 as IPv4-mapped.
    pub address: Address,
    /// Leading bits: 96 more than written for IPv4.
    pub bits: u8,
}

impl Prefix {
    /// Where every IPv4 address is.
    const V4_ROOT: Self = Self { address: Address::from_v4([0; 4]), bits: V4_ROOT_BITS };

    /// Whether every address of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        self.bits <= other.bits && cut(&other.address, self.bits) == self.address
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        let offset = if matches!(net, IpNet::V4(_)) { V4_ROOT_BITS } else { 0 };
        Self { address: Address::from(net.network()), bits: net.prefix_len() + offset }
    }
}

/// The leading `bits` of an address, the others zero.
fn cut(address: &Address, bits: u8) -> Address {
    let value = u128::from_be_bytes(address.bytes());
    let mask = u128::MAX.checked_shl(u32::from(ADDRESS_BITS.saturating_sub(bits))).unwrap_or(0);
    Address::from_v6((value & mask).to_be_bytes())
}

/// CIDR endpoints, compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixTable {
    /// Rules that name a single address, sorted by address.
    pub hosts: Vec<(Address, RuleMask)>,
    /// Rules of the longest prefix around an address, sorted by prefix, shorter first.
    pub prefixes: Vec<(Prefix, RuleMask)>,
}

impl PrefixTable {
    /// The rules that name exactly this address.
    pub fn host(&self, address: &Address) -> Option<&RuleMask> {
        let index = self.hosts.binary_search_by_key(address, |(host, _)| *host).ok()?;
        self.hosts.get(index).map(|(_, mask)| mask)
    }

    /// The rules of the longest prefix that contains `prefix`.
    pub fn longest(&self, prefix: &Prefix) -> Option<&RuleMask> {
        (0..=prefix.bits)
            .rev()
            .find_map(|bits| self.exactly(&Prefix { address: cut(&prefix.address, bits), bits }))
    }

    /// The rules of this very prefix.
    pub fn exactly(&self, prefix: &Prefix) -> Option<&RuleMask> {
        let index = self.prefixes.binary_search_by_key(prefix, |(prefix, _)| *prefix).ok()?;
        self.prefixes.get(index).map(|(_, mask)| mask)
    }

    /// The rules of the longest prefix around an address.
    pub fn around(&self, address: &Address) -> Option<&RuleMask> {
        self.longest(&Prefix { address: *address, bits: ADDRESS_BITS })
    }
}

/// One endpoint begins (or, at an exception, ends) to accept at a prefix.
struct Edge {
    prefix: Prefix,
    slot: u16,
    begins: bool,
}

/// Collects endpoints.
#[derive(Default)]
pub(super) struct Builder {
    hosts: Vec<(Address, u16)>,
    edges: Vec<Edge>,
}

impl Builder {
    pub(super) fn add(&mut self, prefix: IpNet, except: &[IpNet], slot: u16) {
        let prefix = Prefix::from(prefix);
        if prefix.bits == ADDRESS_BITS {
            self.hosts.push((prefix.address, slot));
            return;
        }
        self.edges.push(Edge { prefix, slot, begins: true });
        for hole in except {
            self.edges.push(Edge { prefix: Prefix::from(*hole), slot, begins: false });
        }
    }

    pub(super) fn build(mut self) -> PrefixTable {
        self.hosts.sort_unstable();
        let mut hosts: Vec<(Address, RuleMask)> = Vec::new();
        for (address, slot) in self.hosts {
            match hosts.last_mut() {
                Some((last, mask)) if *last == address => mask.insert(slot),
                _ => hosts.push((address, RuleMask::of(slot))),
            }
        }
        let (v4, v6): (Vec<_>, Vec<_>) =
            self.edges.into_iter().partition(|edge| Prefix::V4_ROOT.contains(&edge.prefix));
        let (mut prefixes, v6) = (fold(v4), fold(v6));
        // Without a node of its own at the root of IPv4, `::/0` would accept IPv4 addresses.
        let is_v6_around = v6.iter().any(|(prefix, _)| prefix.contains(&Prefix::V4_ROOT));
        let has_v4_root = prefixes.first().is_some_and(|(prefix, _)| *prefix == Prefix::V4_ROOT);
        if is_v6_around && !has_v4_root {
            prefixes.push((Prefix::V4_ROOT, RuleMask::EMPTY));
        }
        prefixes.extend(v6);
        prefixes.sort_unstable_by_key(|(prefix, _)| *prefix);
        PrefixTable { hosts, prefixes }
    }
}

/// A prefix that the walk is inside of, and the edges to undo when it leaves.
struct Level {
    prefix: Prefix,
    edges: std::ops::Range<usize>,
    mask: RuleMask,
}

/// Walks the prefixes of one family in order, a parent before what it contains, and gives each
/// the rules that accept there: a rule counts as often as endpoints of it are open.
fn fold(mut edges: Vec<Edge>) -> Vec<(Prefix, RuleMask)> {
    edges.sort_by_key(|edge| edge.prefix);

    let mut open = [0_u32; MAX_RULES];
    let mut mask = RuleMask::EMPTY;
    let mut levels: Vec<Level> = Vec::new();
    let mut folded = Vec::new();
    let mut start = 0;
    for group in edges.chunk_by(|one, other| one.prefix == other.prefix) {
        let end = start + group.len();
        let Some(Edge { prefix, .. }) = group.first() else { break };
        while let Some(level) = levels.pop_if(|level| !level.prefix.contains(prefix)) {
            for edge in edges.get(level.edges).unwrap_or_default() {
                turn(&mut open, &mut mask, edge.slot, !edge.begins);
            }
        }
        for edge in group {
            turn(&mut open, &mut mask, edge.slot, edge.begins);
        }
        let above = levels.last().map_or(RuleMask::EMPTY, |level| level.mask);
        if mask != above {
            folded.push((*prefix, mask));
        }
        levels.push(Level { prefix: *prefix, edges: start..end, mask });
        start = end;
    }
    folded
}

fn turn(open: &mut [u32; MAX_RULES], mask: &mut RuleMask, slot: u16, begins: bool) {
    let Some(count) = open.get_mut(usize::from(slot)) else { return };
    if begins {
        *count += 1;
        mask.insert(slot);
    } else {
        *count = count.saturating_sub(1);
        if *count == 0 {
            mask.subtract(&RuleMask::of(slot));
        }
    }
}
