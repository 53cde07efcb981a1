//! A zero that neither the compiler nor the verifier knows.
//!
//! What is computed with it is one state for the verifier, whatever path it came by, and the
//! compiler makes no branch of it. It is a word of map memory that nobody writes, read anew each
//! time: of a copy in a register the verifier would know what a branch found out about a value that
//! the copy was added to.

use aya_ebpf::{btf_maps::Array, macros::btf_map};

#[btf_map]
static ZERO: Array<Zero, 1> = Array::new();

/// The word.
#[repr(transparent)]
pub(crate) struct Zero(u32);

impl Zero {
    /// Finds it; it is always there, which the verifier does not know.
    #[inline(always)]
    pub(crate) fn find<'a>() -> Option<&'a Self> {
        ZERO.get(0)
    }

    /// Reads it.
    #[inline(always)]
    pub(crate) fn get(&self) -> u32 {
        // SAFETY: a reference; volatile, so that the compiler keeps no copy.
        unsafe { core::ptr::read_volatile(&raw const self.0) }
    }

    /// Returns `value`, of which nothing more is known.
    #[inline(always)]
    pub(crate) fn forget(&self, value: u32) -> u32 {
        // Added, not exclusive-ored: of that the compiler takes a mask behind it to the zero alone,
        // and the verifier of 6.1 then knows no bound of the sum.
        value.wrapping_add(self.get())
    }

    /// Returns the bits of `value` under `mask`, for an index. Masked where it is used: a bound that
    /// the compiler keeps on the stack is lost to the verifier of 5.10.
    #[inline(always)]
    pub(crate) fn index(&self, value: u32, mask: u32) -> usize {
        (self.forget(value) & mask) as usize
    }
}
