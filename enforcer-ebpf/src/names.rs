//! Which rules the name of a question feeds.

use aya_ebpf::{
    btf_maps::{Array, LpmTrie, lpm_trie::Key as TrieKey},
    macros::btf_map,
};
use enforcer_common::{
    abi::{BANKS, MAX_NAME_CHECKS, MAX_NAMES},
    dns::{
        check::{Key, LabelCheck, MAX_ENTRY_CHECKS},
        name::{NameEntry, NameKey},
    },
    rule_mask::RuleMask,
};

use crate::{scratch::Name, zero::Zero};

#[btf_map]
static NAMES: LpmTrie<NameKey, NameEntry, { MAX_NAMES as usize }> = LpmTrie::new();
#[btf_map]
static NAME_CHECKS: Array<LabelCheck, { (BANKS * MAX_NAME_CHECKS) as usize }> = Array::new();

/// Writes the rules for a name of so many bytes and labels.
///
/// A function of its own, as the walk is: what it keeps on the stack is gone when it returns.
#[inline(never)]
pub(crate) fn rules(name: &mut Name, zero: &Zero, bytes: u32, labels: u32, rules: &mut RuleMask) {
    name.prefix_bits = bytes << 3;
    let key: *const TrieKey<NameKey> = (&raw const name.prefix_bits).cast();
    // SAFETY: `Name` begins with the bits of the prefix and the bytes of the key, as `TrieKey`
    // does (sizes asserted in `scratch`).
    let Some(entry) = NAMES.get(unsafe { &*key }) else {
        *rules = RuleMask::filled(u64::from(zero.get()));
        return;
    };
    // An entry is whole bytes of whole labels, and the longest one found is the name itself
    // exactly if it ends where the name does.
    let is_exact = entry.bytes == bytes;
    *rules = if is_exact { entry.exact } else { entry.below };
    let (mut index, mut left, mut is_accepted) = (entry.first_check, entry.checks, 1);
    for _ in 0..MAX_ENTRY_CHECKS {
        index = zero.forget(index) & (BANKS * MAX_NAME_CHECKS - 1);
        left = zero.forget(left) & 0xff;
        is_accepted = zero.forget(is_accepted) & 1;
        if left == 0 {
            break;
        }
        let Some(check) = NAME_CHECKS.get(index) else { break };
        is_accepted &= u32::from(check.accepts(&KeyOf { name, zero }, labels));
        if check.is_last == 1 {
            if is_accepted == 1 {
                rules.unite(&check.rules);
            }
            is_accepted = 1;
        }
        index += 1;
        left -= 1;
    }
}

/// The name as checks look at it.
struct KeyOf<'a> {
    name: &'a Name,
    zero: &'a Zero,
}

impl Key for KeyOf<'_> {
    #[inline(always)]
    fn label(&self, label: u32) -> u32 {
        self.name.label(self.zero, label)
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> u32 {
        self.name.byte(self.zero, at)
    }

    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        self.name.word(self.zero, at)
    }

    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        self.zero.forget(value)
    }
}
