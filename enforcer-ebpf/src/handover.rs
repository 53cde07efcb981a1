//! Questions that the kernel cannot answer to itself: the agent asks them.

use aya_ebpf::{
    btf_maps::{PerCpuArray, RingBuf},
    helpers::generated::bpf_ringbuf_output,
    macros::btf_map,
};
use enforcer_common::{
    abi::HANDOVER_BYTES,
    dns::{Learning, stream::HandedOver},
};

/// Entries of `LEARNING`: more than it has numbers.
const ENTRIES: usize = 64;

#[btf_map]
static HANDOVER: RingBuf<HandedOver, HANDOVER_BYTES> = RingBuf::new();
#[btf_map]
static LEARNING: PerCpuArray<u64, ENTRIES> = PerCpuArray::new();

/// Counts what became of an answer.
#[inline(always)]
pub(crate) fn count(learning: Learning) {
    count_several(learning, 1);
}

/// Counts what became of several addresses.
#[inline(always)]
pub(crate) fn count_several(learning: Learning, several: u32) {
    let Some(counter) = LEARNING.get_ptr_mut(u32::from(learning.number())) else { return };
    // SAFETY: the entry belongs to this processor; where one program interrupts another there, a
    // count may be lost, never memory.
    unsafe { *counter += u64::from(several) };
}

/// Hands a question over: `record` is a [`HandedOver`].
#[inline(always)]
pub(crate) fn hand_over(record: *const u8) {
    let map = core::ptr::from_ref(&HANDOVER).cast_mut();
    // SAFETY: a ring, and as many bytes of a map's value as the record has.
    let told = unsafe {
        bpf_ringbuf_output(map.cast(), record.cast_mut().cast(), size_of::<HandedOver>() as u64, 0)
    };
    count(if told == 0 { Learning::HandedOver } else { Learning::NotHandedOver });
}
