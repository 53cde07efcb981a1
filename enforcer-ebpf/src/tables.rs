//! The maps behind `decide`.

use core::{cell::Cell, hint::black_box};

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LpmTrie, LruHashMap, lpm_trie::Key},
    helpers::generated::{bpf_sk_ancestor_cgroup_id, bpf_skb_ancestor_cgroup_id},
    macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    abi::{
        BANKS, DOCUMENT_PAGE_BYTES, DOCUMENT_PAGES, MAX_CGROUP_DEPTH, MAX_PORT_CLASSES, MAX_RULES,
        PORT_PLANES, PORTS,
    },
    address::Address,
    decide::{Decision, Tables},
    fragment::{FragmentEntry, FragmentKey},
    learned::{AddressEntry, AddressKey},
    packet::{Packet, protocol},
    rule_mask::RuleMask,
    settings::{ResolverEntry, ResolverKey, Settings, flag},
    socket::SocketNote,
    verdict::{Reason, Verdict},
};

use crate::{flow::way, learned, packet::nothing, seen::Seen, socket::Socket};

const GROWS: usize = BPF_F_NO_PREALLOC as usize;
const ADDRESS_BITS: u32 = 128;
const DNS: u16 = 53;

/// The generation in force; 0 before the first.
#[btf_map]
static GENERATION: Array<u64, 1> = Array::new();
/// What each of two generations means.
#[btf_map]
static SETTINGS: Array<Settings, { BANKS as usize }> = Array::new();
/// Single addresses of CIDR rules; the loader sets its size.
#[btf_map]
static HOSTS: HashMap<Address, RuleMask, 131_072, GROWS> = HashMap::new();
/// Prefixes of CIDR rules; memory follows use.
#[btf_map]
static CIDRS: LpmTrie<Address, RuleMask, 4_194_304> = LpmTrie::new();
/// Prefixes that translation may rewrite.
#[btf_map]
static VIRTUAL: LpmTrie<Address, u32, 4_096> = LpmTrie::new();
/// Class of each port, a plane for each protocol with ports and one for all protocols.
#[btf_map]
static PORT_CLASSES: Array<[u16; PORTS], { (BANKS * PORT_PLANES) as usize }> = Array::new();
/// Rules of each class.
#[btf_map]
static CLASS_MASKS: Array<RuleMask, { (BANKS * MAX_PORT_CLASSES) as usize }> = Array::new();
/// Rules of each cgroup that some rule selects.
#[btf_map]
static WORKLOADS: HashMap<u64, RuleMask, 65_536, GROWS> = HashMap::new();
/// Trusted resolvers.
#[btf_map]
static RESOLVERS: HashMap<ResolverKey, ResolverEntry, 256> = HashMap::new();
/// Datagrams whose first fragment passed.
#[btf_map]
static FRAGMENTS: LruHashMap<FragmentKey, FragmentEntry, 4_096> = LruHashMap::new();
/// What the agent says; for readers.
#[btf_map]
static DOCUMENT: Array<[u8; DOCUMENT_PAGE_BYTES], DOCUMENT_PAGES> = Array::new();
/// The agent's last sign of life; for readers.
#[btf_map]
static HEARTBEAT: Array<u64, 1> = Array::new();

/// What a decision comes to.
pub(crate) mod outcome {
    /// It does not pass.
    pub(crate) const DENIED: u32 = 0;
    /// It passes.
    pub(crate) const ALLOWED: u32 = 1;
    /// It passes by a rule, and its destination is an address of a name.
    pub(crate) const IN_USE: u32 = 2;
}

/// The maps as one packet or call sees them: its sender is part of it.
pub(crate) struct Maps<'a> {
    skb: Option<&'a SkBuffContext>,
    settings: Option<&'a Settings>,
    /// The sender's network namespace; 0: the initial one, or not known.
    namespace: u64,
    /// The number of the trusted resolver that the packet is for; 0: none.
    resolver: u32,
    way: u32,
    flow_by: u32,
    is_anyones: u32,
    nothing: u32,
    /// 1 once an address of a name was found.
    has_learned: Cell<u32>,
}

impl<'a> Maps<'a> {
    /// For a packet.
    #[inline(always)]
    pub(crate) fn of_packet(skb: &'a SkBuffContext, settings: &'a Settings, seen: &Seen) -> Self {
        keep_for_readers();
        Self {
            skb: Some(skb),
            settings: Some(settings),
            namespace: seen.namespace,
            resolver: seen.resolver,
            way: seen.way,
            flow_by: seen.flow_by,
            is_anyones: seen.is_anyones,
            nothing: nothing(seen.now_ns),
            has_learned: Cell::new(nothing(seen.now_ns)),
        }
    }

    /// For a call, where rules for some workloads are left to egress.
    #[inline(always)]
    pub(crate) fn of_call(namespace: u64, now_ns: u64) -> Self {
        let nothing = nothing(now_ns);
        Self {
            skb: None,
            settings: settings_in_force(),
            namespace,
            resolver: 0,
            way: 0,
            flow_by: 0,
            is_anyones: 0,
            nothing,
            has_learned: Cell::new(nothing),
        }
    }

    /// What a decision comes to: one of [`outcome`].
    #[inline(always)]
    pub(crate) fn outcome(&self, decision: &Decision) -> u32 {
        if decision.verdict == Verdict::Deny {
            outcome::DENIED
        } else if decision.reason == Reason::Rule && self.has_learned.get() != 0 {
            outcome::IN_USE
        } else {
            outcome::ALLOWED
        }
    }

    /// The key under which an address is looked up for the sender alone.
    #[inline(always)]
    const fn key_here(&self, address: Address) -> AddressKey {
        AddressKey { namespace: self.namespace, address }
    }

    /// Whether a destination is stated to be translated on its way.
    #[inline(always)]
    pub(crate) fn is_virtual(&self, address: &Address) -> bool {
        VIRTUAL.get(&Key::new(ADDRESS_BITS, *address)).is_some()
    }
}

/// Remembers that a datagram's first fragment passed. A table that is full forgets the datagram
/// used least; its later fragments are dropped with their own reason.
#[inline(always)]
pub(crate) fn remember_fragment(key: &FragmentKey, entry: &FragmentEntry) {
    // A failed insert is an allocation failure: the later fragments are dropped and counted.
    let _: Result<(), i32> = FRAGMENTS.insert(key, entry, 0);
}

/// The number of the trusted resolver that a packet is for, by its destination or by what its
/// socket asked for and translation has changed; 0: none.
#[inline(always)]
pub(crate) fn find_resolver(
    settings: &Settings,
    packet: &Packet,
    socket: Option<Socket>,
    note: Option<&SocketNote>,
) -> u32 {
    if packet.protocol != protocol::UDP && packet.protocol != protocol::TCP {
        return 0;
    }
    let wire = resolver(settings, &packet.destination, packet.destination_port);
    let found = match (wire, socket) {
        (Some(entry), _) => Some(entry),
        // Of another namespace's translation this node's administrator knows nothing.
        (None, Some(socket)) if note.is_some_and(|note| note.is_of_host(settings.host_cookie)) => {
            socket
                .asked(packet, note)
                .and_then(|(address, port)| resolver(settings, &address, port))
        }
        (None, _) => None,
    };
    found.map_or(0, |entry| entry.number)
}

/// Whether a packet speaks in the name of a trusted resolver and is not from its socket.
#[inline(always)]
pub(crate) fn is_forged(settings: &Settings, packet: &Packet, socket: Option<Socket>) -> bool {
    if packet.protocol != protocol::UDP && packet.protocol != protocol::TCP {
        return false;
    }
    let Some(socket) = socket else { return false };
    let Some(entry) = resolver(settings, &packet.source, packet.source_port) else { return false };
    socket.is_raw()
        // A datagram can be given another source than its socket's (IP_PKTINFO).
        || (entry.is_local == 1 || packet.source.is_this_host())
            && !socket.may_send_from(&packet.source)
        || entry.cgroup != 0 && !is_below(socket, entry.cgroup)
}

/// A trusted resolver. Without [`flag::RESOLVER_PORTS`] all of them have the usual port.
#[inline(always)]
pub(crate) fn resolver<'a>(
    settings: &Settings,
    address: &Address,
    port: u16,
) -> Option<&'a ResolverEntry> {
    if port != DNS && !settings.has(flag::RESOLVER_PORTS) {
        return None;
    }
    // SAFETY: the map is not written here.
    unsafe { RESOLVERS.get_ptr(ResolverKey::new(*address, port))?.as_ref() }
}

/// Whether a socket was made by a process below a cgroup.
#[inline(always)]
fn is_below(socket: Socket, cgroup: u64) -> bool {
    for level in 1..=MAX_CGROUP_DEPTH {
        // SAFETY: a full socket.
        let id = unsafe { bpf_sk_ancestor_cgroup_id(socket.as_ptr().cast(), level as i32) };
        if id == cgroup {
            return true;
        }
        if id == 0 {
            break;
        }
    }
    false
}

/// The generation in force; `None` before the first.
#[inline(always)]
pub(crate) fn generation() -> Option<u64> {
    let generation = *GENERATION.get(0)?;
    if generation == 0 { None } else { Some(generation) }
}

/// Two entries, selected by the low bit: a reload never writes the one in use.
#[inline(always)]
pub(crate) fn settings_in_force<'a>() -> Option<&'a Settings> {
    let generation = *GENERATION.get(0)?;
    let settings = SETTINGS.get(generation as u32 & (BANKS - 1))?;
    if generation == 0 || settings.generation != generation { None } else { Some(settings) }
}

/// Maps that no program looks into would not be loaded; the folder of pins needs them.
#[inline(always)]
fn keep_for_readers() {
    black_box((&raw const DOCUMENT, &raw const HEARTBEAT));
}

impl Tables for Maps<'_> {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        self.settings
    }

    #[inline(always)]
    fn learned(&self, address: &Address) -> [Option<&AddressEntry>; 2] {
        let everywhere = learned::entry(&AddressKey::everywhere(*address));
        let here = match self.namespace {
            0 => None,
            _ => learned::entry(&self.key_here(*address)),
        };
        // One after the other: of both at once the compiler makes one number of two pointers.
        for entry in [everywhere, here] {
            if entry.is_some() {
                self.has_learned.set(black_box(1));
            }
        }
        [everywhere, here]
    }

    #[inline(always)]
    fn host(&self, address: &Address) -> Option<&RuleMask> {
        // SAFETY: entries are freed by RCU after the program ends (BPF_F_NO_PREALLOC), and the
        // map is not written here.
        unsafe { HOSTS.get(address) }
    }

    #[inline(always)]
    fn prefix(&self, address: &Address) -> Option<&RuleMask> {
        CIDRS.get(&Key::new(ADDRESS_BITS, *address))
    }

    #[inline(always)]
    fn ports(&self, settings: &Settings, protocol: u8, port: u16) -> Option<&RuleMask> {
        let (plane, column) = match protocol {
            protocol::TCP => (0, port),
            protocol::UDP => (1, port),
            protocol::SCTP => (2, port),
            other => (3, u16::from(other)),
        };
        let bank = settings.bank & (BANKS - 1);
        let classes = PORT_CLASSES.get(bank * PORT_PLANES + plane)?;
        let class = u32::from(*classes.get(column as usize)?);
        CLASS_MASKS.get(bank * MAX_PORT_CLASSES + class)
    }

    #[inline(always)]
    fn add_workload_rules(&self, rules: &mut RuleMask) {
        let Some(ctx) = self.skb else { return };
        if self.is_anyones == 1 {
            // What any workload may send passes; whom a deny rule is for is not known.
            if let Some(settings) = self.settings {
                for index in 0..RuleMask::WORDS {
                    let allowing = settings.active.word(index) & !settings.deny.word(index);
                    rules.set_word(index, rules.word(index) | allowing);
                }
            }
            return;
        }
        for level in 1..=MAX_CGROUP_DEPTH {
            // SAFETY: the kernel hands the program a valid context.
            let id = unsafe { bpf_skb_ancestor_cgroup_id(ctx.skb.skb, level as i32) };
            if id == 0 {
                break;
            }
            // SAFETY: as `host`.
            if let Some(mask) = unsafe { WORKLOADS.get(id) } {
                rules.unite(mask);
            }
        }
    }

    #[inline(always)]
    fn is_resolver(&self, address: &Address, port: u16) -> bool {
        RESOLVERS.get_ptr(ResolverKey::new(*address, port)).is_some()
    }

    #[inline(always)]
    fn nothing(&self) -> u32 {
        self.nothing
    }

    #[inline(always)]
    fn has_asked_resolver(&self) -> bool {
        self.resolver != 0
    }

    #[inline(always)]
    fn is_reply(&self) -> bool {
        self.way == way::REPLY
    }

    #[inline(always)]
    fn flow_rule(&self) -> Option<u16> {
        match self.flow_by {
            0 => None,
            by => Some((by - 1) as u16 & (MAX_RULES - 1) as u16),
        }
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<&FragmentEntry> {
        // SAFETY: the entry is read before this program writes the map.
        unsafe { FRAGMENTS.get(key) }
    }
}
