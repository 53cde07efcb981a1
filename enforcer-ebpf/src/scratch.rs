//! Memory for one answer, one for each processor.
//!
//! Only the ingress programs use it. Those run in softirq context (`sk_filter_trim_cap`,
//! net/core/filter.c; `sch_handle_ingress`, net/core/dev.c, 6.18), where nothing else runs that
//! could be another answer's walk on the same processor. Egress programs can be interrupted by each other and must not come here.

use aya_ebpf::{
    btf_maps::PerCpuArray, helpers::generated::bpf_skb_load_bytes, macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    abi::NAME_BYTES,
    dns::{
        MAX_FOUND, MAX_MESSAGE, Message,
        asked::AskedKey,
        name::{KeyWriter, NameKey},
        question::Question,
        walk::{Found, Walk},
    },
    learned::AddressKey,
    rule_mask::RuleMask,
};

use crate::zero::Zero;

const MESSAGE_BYTES: usize = MAX_MESSAGE as usize;
const MESSAGE_MASK: u32 = MAX_MESSAGE - 1;
/// A word may begin at the last byte.
const WORD_BYTES: usize = 8;
/// Room for [`MAX_FOUND`] offsets, up to the next power of two.
const OFFSETS: usize = 128;
/// Set in a kept offset where the address is of IPv6.
const V6: u16 = 1 << 15;

#[btf_map]
static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// A message and what is made of it.
#[repr(C)]
pub(crate) struct Scratch {
    /// What the agent is told where it has to ask: this and the message's beginning are one record.
    pub(crate) told: Told,
    pub(crate) message: Bytes,
    pub(crate) arrival: Arrival,
    /// Of what comes by an uplink: the question that it should answer.
    pub(crate) asked: AskedKey,
    pub(crate) question: Question,
    /// Records of the answer section, as the header says.
    pub(crate) records: u32,
    /// 1 where the question came back in other letters than it was asked in.
    pub(crate) is_other_case: u32,
    /// Whether the answer was cut short: 1.
    pub(crate) is_truncated: u32,
    pub(crate) name: Name,
    pub(crate) walk: Walk,
    pub(crate) found: Offsets,
    /// Rules that the name feeds.
    pub(crate) rules: RuleMask,
    /// Those of them that learn private addresses.
    pub(crate) private: RuleMask,
    /// What an address is charged to.
    pub(crate) charged: u32,
    /// How many may be made; how many private ones.
    pub(crate) allowed: [u32; 2],
    /// How many were made.
    pub(crate) made: u32,
    /// How many were refused, because the rule has as many as it may have.
    pub(crate) refused: u32,
    /// Addresses written.
    pub(crate) written: u32,
    /// 1 once the map was full.
    pub(crate) full: u32,
    /// The address that is being written.
    pub(crate) key: AddressKey,
    pub(crate) expires_ns: u64,
    /// What it may do: 0 or one of [`enforcer_common::special::kind`].
    pub(crate) kind: u32,
    /// Which of the addresses found is next.
    pub(crate) index: u32,
    /// Addresses that no rule of the name may learn.
    pub(crate) special: u32,
    /// 1 once an address was written that no uplink knows.
    pub(crate) is_news: u32,
    /// No rule.
    pub(crate) no_rules: RuleMask,
    /// Those that an address is written for.
    pub(crate) accepted: RuleMask,
}

/// What an answer is judged by, besides its bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Arrival {
    pub(crate) now_ns: u64,
    pub(crate) namespace: u64,
    /// Number of the resolver.
    pub(crate) resolver: u32,
    /// Bytes of the message.
    pub(crate) length: u32,
    /// 1 where it came by the loopback device.
    pub(crate) is_loopback: u32,
    /// 1 where it could have been put together from fragments.
    pub(crate) is_fragmentable: u32,
    /// 1 where it came by loopback from a resolver that is elsewhere.
    pub(crate) is_foreign: u32,
    /// 1 where it came by loopback and its question had left by another device: forged.
    pub(crate) is_forged: u32,
}

impl Arrival {
    #[inline(always)]
    pub(crate) const fn new(now_ns: u64, namespace: u64, resolver: u32) -> Self {
        Self {
            now_ns,
            namespace,
            resolver,
            length: 0,
            is_loopback: 0,
            is_fragmentable: 0,
            is_foreign: 0,
            is_forged: 0,
        }
    }
}

/// The head of [`enforcer_common::dns::stream::HandedOver`].
#[repr(C)]
pub(crate) struct Told {
    pub(crate) resolver: u32,
    pub(crate) why: u32,
    pub(crate) bytes: u32,
    pub(crate) padding: u32,
}

/// A message's bytes, and what an earlier one left behind them.
#[repr(C)]
pub(crate) struct Bytes([u8; MESSAGE_BYTES + WORD_BYTES]);

/// A name as a key of the trie, and where its labels are.
#[repr(C, align(8))]
pub(crate) struct Name {
    alignment: u32,
    pub(crate) prefix_bits: u32,
    bytes: [u8; NAME_BYTES + WORD_BYTES],
    labels: [u8; 128],
}

/// Where addresses were found.
#[repr(C)]
pub(crate) struct Offsets([u16; OFFSETS]);

/// This processor's memory.
#[inline(always)]
pub(crate) fn get<'a>() -> Option<&'a mut Scratch> {
    // SAFETY: a value of the map; that no other program uses it meanwhile is told above.
    SCRATCH.get_ptr_mut(0).and_then(|scratch| unsafe { scratch.as_mut() })
}

impl Scratch {
    /// The message as it came.
    #[inline(always)]
    pub(crate) fn loaded<'a>(&'a self, zero: &'a Zero) -> Loaded<'a> {
        self.message.message(&self.arrival, zero)
    }

    /// Chooses the rules that an address is written for: 1 for all of them, 1 for those that learn
    /// private addresses.
    #[inline(always)]
    pub(crate) fn accept(&mut self, is_ordinary: u32, is_liftable: u32) {
        let mask = |is_chosen| u64::from(is_chosen).wrapping_neg();
        let (all, private) = (mask(is_ordinary), mask(is_liftable));
        for index in 0..RuleMask::WORDS {
            let accepted = self.rules.word(index) & all | self.private.word(index) & private;
            self.accepted.set_word(index, accepted);
        }
    }

    /// The record for the agent.
    #[inline(always)]
    pub(crate) const fn record(&self) -> *const u8 {
        (&raw const self.told).cast()
    }
}

impl Bytes {
    /// Copies `length` bytes of a packet, 1 to [`MAX_MESSAGE`].
    #[inline(always)]
    pub(crate) fn load(
        &mut self,
        ctx: &SkBuffContext,
        zero: &Zero,
        offset: u32,
        length: u32,
    ) -> bool {
        // The verifier wants to see at the call that it is not zero (7.2 and later); behind the
        // zero the compiler cannot know that it is not.
        let length = (zero.forget(length).wrapping_sub(1) & MESSAGE_MASK) + 1;
        let to = self.0.as_mut_ptr();
        // SAFETY: there is room for `length` bytes.
        let loaded = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), offset, to.cast(), length) };
        loaded == 0
    }

    /// The message, as long as it was when it arrived.
    #[inline(always)]
    pub(crate) const fn message<'a>(&'a self, arrival: &'a Arrival, zero: &'a Zero) -> Loaded<'a> {
        Loaded { bytes: &self.0, length: &arrival.length, zero }
    }

    /// Four bytes in network order.
    #[inline(always)]
    pub(crate) fn word(&self, zero: &Zero, at: u32) -> u32 {
        let at = zero.index(at, MESSAGE_MASK);
        let word = self.0.get(at..).and_then(|tail| tail.first_chunk());
        word.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// A message in memory.
pub(crate) struct Loaded<'a> {
    bytes: &'a [u8; MESSAGE_BYTES + WORD_BYTES],
    length: &'a u32,
    zero: &'a Zero,
}

impl Message for Loaded<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        // Read each time: what a comparison told of it would be another state for the verifier.
        // SAFETY: a reference.
        unsafe { core::ptr::read_volatile(self.length) }
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> u32 {
        let at = self.zero.index(at, MESSAGE_MASK);
        u32::from(self.bytes[at])
    }

    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        let at = self.zero.index(at, MESSAGE_MASK);
        let word = self.bytes.get(at..).and_then(|tail| tail.first_chunk());
        word.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        self.zero.forget(value)
    }
}

impl Name {
    #[inline(always)]
    pub(crate) fn label(&self, zero: &Zero, label: u32) -> u32 {
        u32::from(self.labels[zero.index(label, 0x7f)])
    }

    #[inline(always)]
    pub(crate) fn byte(&self, zero: &Zero, at: u32) -> u32 {
        u32::from(self.bytes[zero.index(at, 0xff)])
    }

    #[inline(always)]
    pub(crate) fn word(&self, zero: &Zero, at: u32) -> u64 {
        let at = zero.index(at, 0xff);
        let word = self.bytes.get(at..).and_then(|tail| tail.first_chunk());
        word.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The key alone.
    #[inline(always)]
    pub(crate) const fn key(&self) -> &NameKey {
        // SAFETY: the first bytes are as many as a key has, and any bytes are one.
        unsafe { &*self.bytes.as_ptr().cast() }
    }
}

/// Writes a name.
pub(crate) struct NameWriter<'a>(pub(crate) &'a mut Name, pub(crate) &'a Zero);

impl KeyWriter for NameWriter<'_> {
    #[inline(always)]
    fn put(&mut self, at: u32, byte: u32) {
        self.0.bytes[self.1.index(at, 0xff)] = byte as u8;
    }

    #[inline(always)]
    fn put_label(&mut self, label: u32, at: u32) {
        self.0.labels[self.1.index(label, 0x7f)] = at as u8;
    }
}

impl Offsets {
    /// Where address `index` stands, and 1 where it is of IPv6.
    #[inline(always)]
    pub(crate) fn get(&self, zero: &Zero, index: u32) -> (u32, u32) {
        let kept = self.0[zero.index(index, OFFSETS as u32 - 1)];
        (u32::from(kept & !V6), u32::from(kept >> 15))
    }
}

/// Keeps offsets.
pub(crate) struct Keeper<'a>(pub(crate) &'a mut Offsets, pub(crate) &'a Zero);

impl Found for Keeper<'_> {
    #[inline(always)]
    fn keep(&mut self, index: u32, at: u32, is_v6: bool) {
        let kept = at as u16 | if is_v6 { V6 } else { 0 };
        self.0.0[self.1.index(index, OFFSETS as u32 - 1)] = kept;
    }
}

const _: () = assert!(core::mem::offset_of!(Name, bytes) == 8);
const _: () = assert!(MAX_MESSAGE.is_power_of_two() && MAX_FOUND as usize <= OFFSETS);
