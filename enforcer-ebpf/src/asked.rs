//! Questions that pass an uplink and are not of a socket whose questions are written down there: of
//! forwarded packets, whoever has sent them.
//!
//! Their answers come by the uplink, too, and teach for every network namespace: the way there and
//! back is the node's own. A flood of them pushes out the oldest, whose answers then teach nothing
//! at the uplink.

use aya_ebpf::{btf_maps::LruHashMap, macros::btf_map, programs::SkBuffContext};
use enforcer_common::{
    dns::{
        Learning,
        asked::{AskedEntry, AskedKey},
        pending::{Circumstance, Match},
        question::{self, Question},
    },
    flow::FlowKey,
};

use crate::{ask::InPacket, handover, seen::Seen, zero::Zero};

#[btf_map]
static ASKED: LruHashMap<AskedKey, AskedEntry, 16_384> = LruHashMap::new();

/// Writes down what a message asks; its bytes begin at `at`.
#[inline(always)]
pub(crate) fn note(ctx: &SkBuffContext, seen: &Seen, resolver: u32, at: u32, length: u32) {
    let Some(zero) = Zero::find() else { return };
    let message = InPacket { ctx, at, length, zero };
    let Some(header) = question::header(&message) else { return };
    if header.is_answer || header.opcode != 0 || header.questions != 1 {
        return;
    }
    let Some(question) = question::question(&message) else { return };
    let key = AskedKey { flow: FlowKey::of_leaving(&seen.packet), id: header.id };
    let entry = AskedEntry::new(&question, resolver, seen.now_ns);
    // A failed insert is an allocation failure: the answer teaches nothing.
    let _: Result<(), i32> = ASKED.insert(&key, &entry, 0);
    handover::count(Learning::Asked);
}

/// Whether there is such a question.
#[inline(always)]
pub(crate) fn is_waiting(key: &AskedKey) -> bool {
    ASKED.get_ptr(key).is_some()
}

/// Finds out whether a question is the one that was asked, and takes it where it is.
#[inline(always)]
pub(crate) fn take(key: &AskedKey, question: &Question, answered: &Circumstance) -> Match {
    // SAFETY: the entry is read before this program writes the map.
    let Some(entry) = (unsafe { ASKED.get(key) }) else { return Match::Unknown };
    let matched = entry.matches(question, answered);
    if matches!(matched, Match::Taken | Match::Late) {
        // Gone already: somebody else was quicker.
        let _: Result<(), i32> = ASKED.remove(key);
    }
    matched
}
