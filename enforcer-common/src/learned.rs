//! Addresses that names stand for, and until when.

use crate::{address::Address, rule_mask::RuleMask};

/// The lock of a map's value (include/uapi/linux/bpf.h); the kernel finds it by its type's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct bpf_spin_lock {
    val: u32,
}

/// An address, and where what was learned of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct AddressKey {
    /// The network namespace: 0 for all of them, else the cookie of one.
    pub namespace: u64,
    /// The address.
    pub address: Address,
}

impl AddressKey {
    /// The key of what counts everywhere.
    #[inline(always)]
    pub const fn everywhere(address: Address) -> Self {
        Self { namespace: 0, address }
    }
}

/// An address that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AddressEntry {
    /// Rules whose names gave the address.
    pub rules: RuleMask,
    /// Boot time in nanoseconds at which it stops counting.
    #[cfg(not(feature = "other-layout"))]
    pub expires_ns: u64,
    /// Boot time of a packet that it let pass, at most a second before the newest; 0: none yet.
    pub used_ns: u64,
    /// Key of the newest name in `NAME_TEXT`.
    pub name: u64,
    /// Packets judged with it; not exact where CPUs count at once.
    pub packets: u64,
    /// As above.
    #[cfg(feature = "other-layout")]
    pub expires_ns: u64,
    /// Held while rules and expiry change together.
    pub lock: bpf_spin_lock,
    /// One more than the slot of the rule that it was made for ([`crate::quota`]); 0: none.
    pub charged: u32,
}

impl AddressEntry {
    /// One for no rule, which does not expire.
    #[cfg(feature = "user")]
    pub fn forever() -> Self {
        Self {
            rules: RuleMask::EMPTY,
            expires_ns: u64::MAX,
            used_ns: 0,
            name: 0,
            packets: 0,
            lock: bpf_spin_lock::default(),
            charged: 0,
        }
    }

    /// Whether it counts: until its expiry, and where it was in use shortly before, for a grace
    /// behind it.
    #[inline(always)]
    pub const fn is_live(&self, now_ns: u64, grace_ns: u64) -> bool {
        if now_ns < self.expires_ns {
            return true;
        }
        self.used_ns != 0
            && now_ns < self.expires_ns.saturating_add(grace_ns)
            && self.used_ns.saturating_add(grace_ns) > self.expires_ns
    }
}

/// What is to be done with an entry, as one write that no other can come between: rules are added
/// to it and taken from it. The input of the program `write_address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AddressWrite {
    /// Which entry.
    pub key: AddressKey,
    /// Boot time in nanoseconds at which what is added stops counting.
    pub expires_ns: u64,
    /// Key of the name that it is added for.
    pub name: u64,
    /// Rules to add; none: an entry that is not there is not made.
    pub add: RuleMask,
    /// Rules to take away.
    pub remove: RuleMask,
}

#[cfg(feature = "user")]
impl AddressWrite {
    /// The bytes that the program reads.
    pub fn bytes(&self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        let key = self.key.namespace.to_ne_bytes().into_iter().chain(self.key.address.bytes());
        let times = [self.expires_ns, self.name].into_iter().flat_map(u64::to_ne_bytes);
        let masks = [self.add, self.remove];
        let masks = masks
            .iter()
            .flat_map(|mask| (0..RuleMask::WORDS).map(|index| mask.word(index)))
            .flat_map(u64::to_ne_bytes);
        for (to, from) in bytes.iter_mut().zip(key.chain(times).chain(masks)) {
            *to = from;
        }
        bytes
    }
}

/// What `write_address` returns.
pub mod written {
    /// It is done.
    pub const DONE: u32 = 0;
    /// The map is full.
    pub const FULL: u32 = 1;
    /// The rule has as many as it may have ([`crate::quota`]).
    pub const OVER_QUOTA: u32 = 2;
    /// It is done, and an entry was made.
    pub const MADE: u32 = 3;
    /// Of `write_address`, which tells of an entry that was made no more than that it is done: the
    /// input is no [`super::AddressWrite`]. Its kind of program may return nothing above.
    pub const BAD_INPUT: u32 = 3;
}

const _: () = assert!(size_of::<AddressKey>() == 24);
const _: () = assert!(size_of::<AddressEntry>() == 64 + 40);
const _: () = assert!(size_of::<AddressWrite>() == 24 + 16 + 128);
