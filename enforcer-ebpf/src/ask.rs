//! Questions on their way to a trusted resolver: written down, so that their answers are known.

use aya_ebpf::{
    btf_maps::SkStorage, helpers::generated::bpf_skb_load_bytes, macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    abi::QUESTION_BYTES,
    dns::{
        HEADER_BYTES, Learning, Message,
        pending::{Circumstance, PendingTable},
        question,
        stream::{MAX_QUESTIONS, Stream},
    },
    measure,
    packet::{UDP_HEADER_BYTES, protocol},
};

use crate::{handover, measure::is_in_force, seen::Seen, socket::Socket, zero::Zero};

/// Questions of each socket that wait for their answers.
#[btf_map]
pub(crate) static PENDING: SkStorage<PendingTable> = SkStorage::new();
/// Where messages begin on each connection to a resolver.
#[btf_map]
pub(crate) static STREAMS: SkStorage<Stream> = SkStorage::new();

/// Messages in one segment that are looked at; the C library sends two.
const MAX_MESSAGES: u32 = 2;

/// A message inside a packet.
pub(crate) struct InPacket<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) at: u32,
    pub(crate) length: u32,
    pub(crate) zero: &'a Zero,
}

impl Message for InPacket<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.length
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> u32 {
        u32::from(load::<1>(self.ctx, self.at + at)[0])
    }

    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        u64::from_le_bytes(load(self.ctx, self.at + at))
    }

    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        self.zero.forget(value)
    }
}

/// Bytes of a packet; zeros where it has none, which the kernel writes then (`bpf_skb_load_bytes`,
/// net/core/filter.c, 6.18). A branch on its answer would double the verifier's paths at each byte.
#[inline(always)]
fn load<const N: usize>(ctx: &SkBuffContext, at: u32) -> [u8; N] {
    let mut bytes = [0; N];
    let to = bytes.as_mut_ptr();
    // SAFETY: `bytes` has room for as many.
    let _: i64 = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), at, to.cast(), N as u32) };
    bytes
}

/// Writes down what a packet asks.
#[inline(always)]
pub(crate) fn note(ctx: &SkBuffContext, seen: &mut Seen) {
    let Some(zero) = Zero::find() else { return };
    // What the steps so far found out about them is no matter of the verifier's any more.
    seen.resolver = zero.forget(seen.resolver);
    let is_loopback = if is_in_force(measure::PATH) { seen.is_loopback } else { 0 };
    seen.is_loopback = zero.forget(is_loopback);
    note_messages(ctx, seen);
}

#[inline(never)]
fn note_messages(ctx: &SkBuffContext, seen: &Seen) {
    let seen = seen.as_it_is();
    let Some(socket) = Socket::of_packet(ctx) else { return };
    // The places exist from the first packet on: the answer to a SYN is to be seen. A socket whose
    // memory is used up learns nothing.
    let Some(pending) = socket.stored_or_zero(&PENDING) else { return };
    socket.set_asking();
    let Some(zero) = Zero::find() else { return };
    let header = seen.packet.transport & 0x1ff;
    let mut stream = None;
    let mut at = header + UDP_HEADER_BYTES;
    // Read once: what a second look at memory says the verifier would not connect with the first.
    let is_tcp = zero.forget(u32::from(seen.packet.protocol == protocol::TCP));
    if is_tcp == 1 {
        stream = socket.stored_or_zero(&STREAMS);
        match &mut stream {
            Some(stream) => stream.leaves_by(seen.is_loopback),
            None => return,
        }
        let [words] = load(ctx, header + 12);
        at = header + (u32::from(words >> 4) << 2);
    }
    for _ in 0..MAX_MESSAGES {
        at = zero.forget(at) & 0xffff;
        let mut length = seen.packet.length.wrapping_sub(at);
        if is_tcp == 1 {
            let [high, low] = load(ctx, at);
            length = u32::from(high) << 8 | u32::from(low);
            at += 2;
        }
        if at + length > seen.packet.length {
            return;
        }
        let end = note_message(ctx, pending, seen, at, length);
        match &mut stream {
            Some(stream) if end != 0 => remember(ctx, stream, zero, seen.resolver, at, end),
            Some(_) => {}
            None => return,
        }
        at += length;
    }
}

/// Writes down the question of one message, and says where it ends; 0: it asks nothing.
#[inline(never)]
fn note_message(
    ctx: &SkBuffContext,
    pending: &mut PendingTable,
    seen: &Seen,
    at: u32,
    length: u32,
) -> u32 {
    let Some(zero) = Zero::find() else { return 0 };
    let message = InPacket { ctx, at, length, zero };
    let Some(header) = question::header(&message) else { return 0 };
    if header.is_answer || header.opcode != 0 || header.questions != 1 {
        return 0;
    }
    let Some(question) = question::question(&message) else { return 0 };
    let circumstance = Circumstance {
        resolver: seen.resolver,
        id: header.id,
        now_ns: seen.now_ns,
        is_loopback: seen.is_loopback == 1,
    };
    pending.insert(&message, &question, &circumstance);
    handover::count(Learning::Asked);
    question.end
}

/// Keeps a question of a connection for the agent.
#[inline(always)]
fn remember(
    ctx: &SkBuffContext,
    stream: &mut Stream,
    zero: &Zero,
    resolver: u32,
    at: u32,
    bytes: u32,
) {
    let index = zero.index(stream.asked, MAX_QUESTIONS as u32 - 1);
    stream.asked = stream.asked.wrapping_add(1);
    let kept = &mut stream.questions[index];
    // The verifier wants to see at the call that it is neither zero nor too long.
    let bytes = (zero.forget(bytes).wrapping_sub(1) & 0xff) + 1;
    kept.resolver = resolver;
    kept.why = u32::from(Learning::Segmented.number());
    let to = kept.message.as_mut_ptr();
    // SAFETY: `message` has room for 272 bytes, and `bytes` is 256 at the most.
    let loaded = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), at, to.cast(), bytes) };
    kept.bytes = if loaded == 0 { bytes } else { 0 };
}

const _: () = assert!(QUESTION_BYTES >= 256 + HEADER_BYTES as usize);
