//! TC ingress of an uplink: who opens flows from outside, and what is answered to those who have no
//! socket here. Every frame passes.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    dns::{Learning, MAX_MESSAGE, MAX_UNFRAGMENTED, asked::AskedKey},
    flow::FlowKey,
    measure,
    packet::{Piece, UDP_HEADER_BYTES, ethertype, protocol},
    settings::Settings,
};

use crate::{
    answer, asked,
    frame::{Frame, Link},
    handover::count,
    measure::is_in_force,
    packet::nothing,
    plain,
    scratch::{self, Arrival, Scratch},
    seen::Seen,
    tables, wire,
    zero::Zero,
};

#[inline(always)]
pub(crate) fn note(ctx: &SkBuffContext) {
    // SAFETY: the helper takes nothing.
    let mut seen = Seen::new(unsafe { bpf_ktime_get_boot_ns() });
    let mut link = Link::UNKNOWN;
    if !parse(ctx, &mut link, &mut seen) {
        return;
    }
    if !note_flow(ctx, &link, &seen) {
        return;
    }
    let Some(settings) = tables::settings_in_force() else { return };
    let Some(scratch) = scratch::get() else { return };
    if load(ctx, &link, &seen, settings, scratch) {
        count(answer::judge_forwarded(scratch, settings));
    }
}

/// Reads the frame; `false` where it has no packet that could open a flow.
#[inline(never)]
fn parse(ctx: &SkBuffContext, link: &mut Link, seen: &mut Seen) -> bool {
    let Some(found) = Link::find(ctx, seen.now_ns) else { return false };
    *link = found;
    if found.ethertype != u32::from(ethertype::IPV4)
        && found.ethertype != u32::from(ethertype::IPV6)
    {
        return false;
    }
    let frame = Frame::new(ctx, found, seen.now_ns);
    let parsed = plain::parse(ctx, found.base, nothing(seen.now_ns), &frame);
    let Ok(packet) = parsed else { return false };
    seen.packet = packet;
    true
}

/// Writes the flow down, and says whether it may be an answer of a resolver.
#[inline(never)]
fn note_flow(ctx: &SkBuffContext, link: &Link, seen: &Seen) -> bool {
    let seen = seen.as_it_is();
    wire::note_arrived(ctx, link.base, &seen.packet, seen.now_ns);
    seen.packet.protocol == protocol::UDP && seen.packet.piece == Piece::WHOLE
}

/// Copies a message of a trusted resolver that somebody waits for who has no socket here, and says
/// whether there is one.
#[inline(never)]
fn load(
    ctx: &SkBuffContext,
    link: &Link,
    seen: &Seen,
    settings: &Settings,
    scratch: &mut Scratch,
) -> bool {
    let seen = seen.as_it_is();
    let packet = &seen.packet;
    let Some(resolver) = tables::resolver(settings, &packet.source, packet.source_port) else {
        return false;
    };
    let message = packet.transport + UDP_HEADER_BYTES;
    let (at, length) = (link.base + message, packet.length.wrapping_sub(message));
    let Ok(id) = ctx.load::<u16>(at as usize) else { return false };
    scratch.asked = AskedKey { flow: FlowKey::of_arrived(packet), id: u32::from(u16::from_be(id)) };
    if !asked::is_waiting(&scratch.asked) {
        return false;
    }
    let Some(zero) = Zero::find() else { return false };
    if length == 0 || length > MAX_MESSAGE || !scratch.message.load(ctx, zero, at, length) {
        count(Learning::OverBound);
        return false;
    }
    // The way of the question and of its answer is the node's own: what it teaches counts
    // everywhere.
    scratch.arrival = Arrival::new(seen.now_ns, 0, resolver.number);
    scratch.arrival.length = length;
    scratch.arrival.is_fragmentable =
        u32::from(length > MAX_UNFRAGMENTED) * u32::from(is_in_force(measure::FRAGMENTS));
    true
}
