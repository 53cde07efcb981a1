//! What is counted for rules, reasons and verdicts.

use crate::verdict::Verdict;

/// Packets and bytes; one for each CPU, so that no write is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Hits {
    /// Zero.
    #[cfg(feature = "other-layout")]
    pub spare: u64,
    /// Packets: each segment of a GSO packet is one.
    pub packets: u64,
    /// Bytes from the network header on.
    pub bytes: u64,
    /// Boot time of the newest, in nanoseconds.
    pub last_ns: u64,
}

/// Entries of `RULE_HITS`: a slot each.
pub const RULE_ENTRIES: u32 = crate::abi::MAX_RULES as u32;
/// Entries of `IMPLICIT_HITS`: more than there are implicit rules.
pub const IMPLICIT_ENTRIES: u32 = 16;
/// Entries of `DROPS`: more than there are reasons.
pub const DROP_ENTRIES: u32 = 64;
/// Entries of `TOTALS`: two verdicts for two families.
pub const TOTAL_ENTRIES: u32 = 4;

/// The entry of `TOTALS` for a verdict and a family.
#[inline(always)]
pub const fn total_entry(verdict: Verdict, is_v6: bool) -> u32 {
    (verdict as u32) << 1 | is_v6 as u32
}

const _: () = assert!(size_of::<Hits>() == if cfg!(feature = "other-layout") { 32 } else { 24 });
