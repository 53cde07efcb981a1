//! `cgroup_skb` ingress: learns from answers before their socket sees them. Every packet passes but
//! one that is forged for certain.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    decide::Decision,
    dns::{
        Learning, MAX_MESSAGE, MAX_UNFRAGMENTED,
        stream::{MAX_QUESTIONS, Segment, Stream},
    },
    measure,
    packet::{Bytes as _, Packet, Piece, UDP_HEADER_BYTES, ethertype, protocol},
    settings::{Settings, flag},
    verdict::{Reason, Verdict},
};

use crate::{
    answer,
    ask::{PENDING, STREAMS},
    count::{self, Amount},
    flow,
    handover::{count, hand_over},
    measure::is_in_force,
    packet::Buffer,
    repeat,
    scratch::{self, Arrival, Scratch},
    socket::Socket,
    tables,
    zero::Zero,
};

const SYN_ACK: u8 = 0x12;

#[inline(always)]
pub(crate) fn learn(ctx: &SkBuffContext) -> Verdict {
    // Nearly every packet ends here.
    if repeat::arrives(ctx) {
        return Verdict::Allow;
    }
    flow::note_arrival(ctx);
    let Some(socket) = Socket::of_packet(ctx) else { return Verdict::Allow };
    // Its socket has asked no resolver.
    let Some(pending) = socket.stored(&PENDING) else { return Verdict::Allow };
    let Some(scratch) = scratch::get() else { return Verdict::Allow };
    let Some(settings) = tables::settings_in_force() else { return Verdict::Allow };
    scratch.arrival.is_forged = 0;
    if load(ctx, socket, settings, scratch) {
        count(answer::judge(scratch, pending, settings));
    }
    if scratch.arrival.is_forged == 0 { Verdict::Allow } else { drop_forged(ctx, settings) }
}

/// Drops what is not the resolver's, so that whoever asked does not believe it either: the agent
/// asks as well, and what it learns counts everywhere.
#[inline(never)]
fn drop_forged(ctx: &SkBuffContext, settings: &Settings) -> Verdict {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let decision = Decision::drop(Reason::ForgedResolver);
    let amount = Amount { packets: buffer.packets(), bytes: u64::from(buffer.length()), now_ns };
    count::decision(&decision, buffer.ethertype() == ethertype::IPV6, &amount);
    if settings.has(flag::AUDIT) { Verdict::Allow } else { decision.verdict }
}

/// Copies a message of a trusted resolver, and says whether there is one.
#[inline(never)]
fn load(ctx: &SkBuffContext, socket: Socket, settings: &Settings, scratch: &mut Scratch) -> bool {
    let Some(zero) = Zero::find() else { return false };
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let Ok(packet) = Packet::parse(&buffer) else { return false };
    if packet.piece != Piece::WHOLE {
        return false;
    }
    let Some(resolver) = tables::resolver(settings, &packet.source, packet.source_port) else {
        return false;
    };
    let is_tcp = packet.protocol == protocol::TCP;
    let (at, length) = if is_tcp {
        let Some(stream) = socket.stored(&STREAMS) else { return false };
        // Seen before the kernel has looked at checksum and acknowledgement: a segment that
        // somebody puts on another device is none of the server's.
        if stream.is_loopback != u32::from(buffer.is_loopback()) && is_in_force(measure::PATH) {
            scratch.arrival.is_forged = u32::from(buffer.is_loopback());
            return false;
        }
        let Some(message) = message_of_segment(ctx, stream, &packet) else { return false };
        message
    } else {
        let at = packet.transport + UDP_HEADER_BYTES;
        (at, buffer.length().wrapping_sub(at))
    };
    let Some(note) = socket.note() else {
        count(Learning::UnknownNamespace);
        return false;
    };
    if length == 0 || length > MAX_MESSAGE || !scratch.message.load(ctx, zero, at, length) {
        count(Learning::OverBound);
        return false;
    }
    let is_loopback = buffer.is_loopback() && is_in_force(measure::PATH);
    let namespace = if is_in_force(measure::NAMESPACE) { note.namespace } else { 0 };
    scratch.arrival = Arrival::new(now_ns, namespace, resolver.number);
    scratch.arrival.length = length;
    scratch.arrival.is_loopback = u32::from(is_loopback);
    // Who sends chooses the device: a process may send a question to a far resolver out of `lo`, and
    // be the one who answers it.
    let is_host = note.is_of_host(settings.host_cookie);
    scratch.arrival.is_foreign = u32::from(is_loopback && !(resolver.is_local == 1 && is_host));
    scratch.arrival.is_fragmentable =
        u32::from(!is_tcp && !is_loopback && length > MAX_UNFRAGMENTED)
            * u32::from(is_in_force(measure::FRAGMENTS));
    true
}

/// The message of a TCP segment: where it begins and how long it is.
#[inline(always)]
fn message_of_segment(
    ctx: &SkBuffContext,
    stream: &mut Stream,
    packet: &Packet,
) -> Option<(u32, u32)> {
    let header = packet.transport as usize;
    let sequence = u32::from_be(ctx.load::<u32>(header + 4).ok()?);
    let [words, flags] = ctx.load::<[u8; 2]>(header + 12).ok()?;
    if flags & SYN_ACK == SYN_ACK {
        stream.accepted(sequence);
        return None;
    }
    let payload = packet.transport + (u32::from(words >> 4) << 2);
    let bytes = packet.length.checked_sub(payload)?;
    let length = if bytes < 2 {
        0
    } else {
        u32::from(u16::from_be_bytes(ctx.load::<[u8; 2]>(payload as usize).ok()?))
    };
    if !is_in_force(measure::STREAM) {
        return (bytes == length + 2).then_some((payload + 2, length));
    }
    match stream.arrived(sequence, bytes, length) {
        Segment::Nothing => None,
        Segment::Whole => Some((payload + 2, length)),
        Segment::First => {
            hand_over_all(stream);
            Some((payload + 2, length))
        }
        Segment::Broken => {
            hand_over_all(stream);
            count(Learning::Segmented);
            None
        }
    }
}

/// Hands over every question of a connection that is not known to be answered.
#[inline(always)]
fn hand_over_all(stream: &mut Stream) {
    for index in 0..MAX_QUESTIONS {
        let question = &mut stream.questions[index];
        if question.bytes != 0 {
            hand_over(core::ptr::from_ref(question).cast());
            question.bytes = 0;
        }
    }
}
