//! Addresses of names: the one place that writes them.
//!
//! Answers are learned on several processors at once, and the agent writes too. Rules and expiry
//! of an entry change under the entry's lock, so that no writer loses what another has added.
//! Here too is decided whether a rule may have another one.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LpmTrie, lpm_trie::Key},
    helpers::generated::{bpf_spin_lock, bpf_spin_unlock},
    macros::btf_map,
};
use enforcer_common::{
    address::Address,
    dns::name::NameKey,
    learned::{AddressEntry, AddressKey, written},
    quota::{self, SlotUse, TOTAL, USE_ENTRIES},
    rule_mask::RuleMask,
    special,
};

const GROWS: usize = BPF_F_NO_PREALLOC as usize;
const ADDRESS_BITS: u32 = 128;
const BPF_NOEXIST: u64 = 1;
/// How old the note of the last use may be: it is not written for each packet.
const USE_NS: u64 = 1_000_000_000;

/// Addresses of names; the loader sets its size.
#[btf_map]
static ADDRS: HashMap<AddressKey, AddressEntry, 1_048_576, GROWS> = HashMap::new();
/// How many of them were made for each rule, and for all.
#[btf_map]
static USE: Array<SlotUse, { USE_ENTRIES as usize }> = Array::new();
/// How many of those are gone; only the agent writes it.
#[btf_map]
static GONE: Array<u64, { USE_ENTRIES as usize }> = Array::new();
/// Ranges that an answer must not open.
#[btf_map]
static SPECIAL: LpmTrie<Address, u32, 4_096> = LpmTrie::new();
/// Names by their hash; for readers, no verdict depends on it.
#[btf_map]
static NAME_TEXT: HashMap<u64, NameKey, 131_072, GROWS> = HashMap::new();

/// What an address in an answer may do: one of [`special::kind`], 0 for an ordinary one.
#[inline(always)]
pub(crate) fn kind(address: &Address, is_v6: u32) -> u32 {
    if is_v6 == 1 && address.is_v4_in_v6() {
        return special::kind::NEVER;
    }
    let kind = looked_up(address);
    if kind < special::kind::EMBEDS {
        return kind;
    }
    match special::embedded(address.bytes(), kind - special::kind::EMBEDS) {
        Some(v4) => looked_up(&Address::from_v4(v4)),
        None => special::kind::NEVER,
    }
}

#[inline(always)]
fn looked_up(address: &Address) -> u32 {
    SPECIAL.get(&Key::new(ADDRESS_BITS, *address)).copied().unwrap_or(0)
}

/// The entry of an address.
#[inline(always)]
pub(crate) fn entry<'a>(key: &AddressKey) -> Option<&'a AddressEntry> {
    // SAFETY: entries are freed by RCU after the program ends (BPF_F_NO_PREALLOC); words of it may
    // change while they are read, each of them as a whole.
    unsafe { ADDRS.get_ptr(key)?.as_ref() }
}

/// Notes that a packet passed by an entry.
#[inline(always)]
fn note_use(key: &AddressKey, packets: u64, now_ns: u64) {
    let Some(entry) = ADDRS.get_ptr_mut(key) else { return };
    // SAFETY: as `entry`; a count may be lost where two processors count at once.
    unsafe { (*entry).packets += packets };
    // SAFETY: as above.
    if now_ns.wrapping_sub(unsafe { (*entry).used_ns }) > USE_NS {
        // SAFETY: as above.
        unsafe { (*entry).used_ns = now_ns };
    }
}

/// Notes that packets passed to an address, for all network namespaces and for the sender's.
#[inline(never)]
pub(crate) fn note_uses(namespace: u64, address: &Address, packets: u64, now_ns: u64) -> bool {
    note_use(&AddressKey::everywhere(*address), packets, now_ns);
    if namespace == 0 {
        return false;
    }
    note_use(&AddressKey { namespace, address: *address }, packets, now_ns);
    true
}

/// What is to be done with an entry.
pub(crate) struct Change<'a> {
    pub(crate) key: &'a AddressKey,
    /// Rules that are added; none: an entry that is not there is not made.
    pub(crate) add: &'a RuleMask,
    /// Until when they count.
    pub(crate) expires_ns: u64,
    /// Key of the name that they are added for.
    pub(crate) name: u64,
    /// One more than the slot of the rule whose entry it is if it is made.
    pub(crate) charged: u32,
    /// How many may be made for that rule, and how many were.
    pub(crate) allowed: u32,
    pub(crate) made: u32,
    /// Rules that are taken away.
    pub(crate) remove: &'a RuleMask,
    pub(crate) now_ns: u64,
    pub(crate) grace_ns: u64,
    /// Zero, which the compiler cannot know: it would call `memset`.
    pub(crate) nothing: u32,
}

/// Changes an entry; one of [`written`]. One that does not count any more is replaced: what it
/// said must not come back to life. Nothing is pushed out of a full map.
#[inline(always)]
pub(crate) fn change(change: &Change<'_>) -> u32 {
    let mut entry = ADDRS.get_ptr_mut(change.key);
    if entry.is_none() {
        if change.add.is_empty() {
            return written::DONE;
        }
        if change.made >= change.allowed {
            return written::OVER_QUOTA;
        }
        if insert(change) {
            return written::MADE;
        }
        // Another processor came first, or the map is full.
        entry = ADDRS.get_ptr_mut(change.key);
    }
    let Some(entry) = entry else { return written::FULL };
    write(entry, change);
    written::DONE
}

#[inline(always)]
fn insert(change: &Change<'_>) -> bool {
    let entry = AddressEntry {
        rules: *change.add,
        expires_ns: change.expires_ns,
        used_ns: u64::from(change.nothing),
        name: change.name,
        packets: u64::from(change.nothing),
        lock: Default::default(),
        charged: change.charged,
    };
    ADDRS.insert(change.key, &entry, BPF_NOEXIST).is_ok()
}

/// What an entry that is made for these rules is charged to: one more than the slot of the first;
/// 0 for none.
#[inline(always)]
pub(crate) fn charged(rules: &RuleMask) -> u32 {
    rules.first().map_or(0, |slot| u32::from(slot) + 1)
}

/// How many entries may be made that are charged to this.
#[inline(never)]
pub(crate) fn allowance(charged: u32) -> u32 {
    let slot = charged.wrapping_sub(1);
    let (Some(own), Some(total)) = (USE.get_ptr(slot), USE.get_ptr(TOTAL)) else { return 0 };
    let (Some(own_gone), Some(total_gone)) = (GONE.get(slot), GONE.get(TOTAL)) else { return 0 };
    // SAFETY: a value of the map, a word of which may change while it is read, but as a whole.
    let live = quota::live(unsafe { (*own).made }, *own_gone);
    // SAFETY: as above.
    let room = quota::room(unsafe { (*total).made }, *total_gone);
    quota::allowance(live, room) as u32
}

/// Counts entries that were made and refused: 1 where the map has no room for anybody. All at once
/// behind an answer: for each address the verifier would walk it again.
#[inline(never)]
pub(crate) fn settle(charged: u32, made: u32, refused: u32) -> u32 {
    let slot = charged.wrapping_sub(1);
    let (Some(own), Some(total)) = (USE.get_ptr_mut(slot), USE.get_ptr_mut(TOTAL)) else {
        return 0;
    };
    let Some(total_gone) = GONE.get(TOTAL) else { return 0 };
    // SAFETY: a value of the map, which outlives the program's run.
    let lock = unsafe { &raw mut (*total).lock };
    // SAFETY: the lock of that value; the program holds no other.
    unsafe { bpf_spin_lock(lock.cast()) };
    for entry in [own, total] {
        // SAFETY: a value of the map, written under the lock only.
        let entry = unsafe { &mut *entry };
        entry.made = entry.made.wrapping_add(u64::from(made));
        entry.refused = entry.refused.wrapping_add(u64::from(refused));
    }
    // SAFETY: as above.
    let all = unsafe { (*total).made };
    // SAFETY: taken above.
    unsafe { bpf_spin_unlock(lock.cast()) };
    u32::from(quota::room(all, *total_gone) == 0)
}

#[inline(always)]
fn write(entry: *mut AddressEntry, change: &Change<'_>) {
    // SAFETY: a value of the map, which outlives the program's run.
    let lock = unsafe { &raw mut (*entry).lock };
    // SAFETY: the lock of that value; the program holds no other.
    unsafe { bpf_spin_lock(lock.cast()) };
    // SAFETY: rules and expiry are written under the lock only.
    let target = unsafe { &mut *entry };
    let is_live = target.is_live(change.now_ns, change.grace_ns);
    if !is_live || target.expires_ns < change.expires_ns {
        target.expires_ns = change.expires_ns;
    }
    let kept = u64::from(!is_live).wrapping_sub(1);
    for index in 0..RuleMask::WORDS {
        let word = target.rules.word(index) & kept | change.add.word(index);
        target.rules.set_word(index, word & !change.remove.word(index));
    }
    if change.name != 0 {
        target.name = change.name;
    }
    // SAFETY: taken above.
    unsafe { bpf_spin_unlock(lock.cast()) };
}

/// Keeps the text of a name for readers.
#[inline(always)]
pub(crate) fn keep_name(hash: u64, name: &NameKey) {
    // Known already, or no room: then it is shown without its name.
    let _: Result<(), i32> = NAME_TEXT.insert(hash, name, BPF_NOEXIST);
}
