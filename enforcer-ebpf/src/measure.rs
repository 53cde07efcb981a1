//! Which measures against poisoning are in force: all, unless the loader of a test says otherwise.

/// Bits of [`enforcer_common::measure`] that are left out.
#[unsafe(no_mangle)]
static WITHOUT: u32 = 0;

/// Whether a measure is in force. The verifier knows the word, and walks only the branch taken.
#[inline(always)]
pub(crate) fn is_in_force(measure: u32) -> bool {
    // SAFETY: an aligned static; volatile, because the loader may have written it.
    unsafe { core::ptr::read_volatile(&raw const WITHOUT) & measure == 0 }
}
