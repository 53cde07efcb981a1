//! Counters, one for each CPU: no write is shared, none is atomic.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map};
use enforcer_common::{
    counter::{DROP_ENTRIES, Hits, IMPLICIT_ENTRIES, RULE_ENTRIES, TOTAL_ENTRIES, total_entry},
    decide::{Decision, Match},
    verdict::Verdict,
};

#[btf_map]
static RULE_HITS: PerCpuArray<Hits, { RULE_ENTRIES as usize }> = PerCpuArray::new();
#[btf_map]
static IMPLICIT_HITS: PerCpuArray<Hits, { IMPLICIT_ENTRIES as usize }> = PerCpuArray::new();
#[btf_map]
static DROPS: PerCpuArray<Hits, { DROP_ENTRIES as usize }> = PerCpuArray::new();
#[btf_map]
static TOTALS: PerCpuArray<Hits, { TOTAL_ENTRIES as usize }> = PerCpuArray::new();

/// What one judgement adds.
pub(crate) struct Amount {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) now_ns: u64,
}

/// Counts a decision: what accepted the packet, why it was dropped, and the total.
#[inline(always)]
pub(crate) fn decision(decision: &Decision, is_v6: bool, amount: &Amount) {
    if let Some(slot) = decision.by.slot() {
        add(RULE_HITS.get_ptr_mut(u32::from(slot)), amount);
    }
    if let Some(number) = decision.by.implicit_number() {
        add(IMPLICIT_HITS.get_ptr_mut(u32::from(number)), amount);
    }
    if matches!(decision.verdict, Verdict::Deny) {
        add(DROPS.get_ptr_mut(u32::from(decision.reason.number())), amount);
    }
    add(TOTALS.get_ptr_mut(total_entry(decision.verdict, is_v6)), amount);
}

/// Counts packets that passed as the one before; when, whoever judges them next says.
#[inline(always)]
pub(crate) fn repeated(by: u32, is_v6: bool, packets: u64, bytes: u64) {
    let by = Match::from_bits(by);
    let hits = match by.slot() {
        Some(slot) => RULE_HITS.get_ptr_mut(u32::from(slot)),
        None => by.implicit_number().and_then(|it| IMPLICIT_HITS.get_ptr_mut(u32::from(it))),
    };
    add_repeated(hits, packets, bytes);
    add_repeated(TOTALS.get_ptr_mut(total_entry(Verdict::Allow, is_v6)), packets, bytes);
}

#[inline(always)]
fn add_repeated(hits: Option<*mut Hits>, packets: u64, bytes: u64) {
    let Some(hits) = hits else { return };
    // SAFETY: as in `add`.
    let hits = unsafe { &mut *hits };
    hits.packets += packets;
    hits.bytes += bytes;
}

#[inline(always)]
fn add(hits: Option<*mut Hits>, amount: &Amount) {
    let Some(hits) = hits else { return };
    // SAFETY: the entry belongs to this CPU, and the kernel keeps a program on its CPU; where one
    // program interrupts another there, a count may be lost, never memory.
    let hits = unsafe { &mut *hits };
    hits.packets += amount.packets;
    hits.bytes += amount.bytes;
    hits.last_ns = amount.now_ns;
}
