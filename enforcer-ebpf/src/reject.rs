//! Telling a sender that has no socket here that its packet is not let out.
//!
//! The refused frame itself becomes the answer and comes in where it would have left: so address
//! translation takes it back to whoever sent it, as it would an answer of the destination.

use aya_ebpf::{
    bindings::{BPF_F_INGRESS, BPF_F_INVALIDATE_HASH},
    helpers::generated::{bpf_redirect, bpf_skb_change_tail},
    programs::SkBuffContext,
};
use enforcer_common::{
    packet::{Piece, protocol},
    rejection::{Checksum, prohibited_v4, prohibited_v6, reset_v4, reset_v6},
    uplink::ETHERNET_HEADER_BYTES,
    verdict::Reason,
};

use crate::{
    frame::Link,
    seen::Seen,
    wire::{ECHO_REQUEST, ECHO_REQUEST_V6},
};

/// Offset of the flags in a header of TCP, and of its checksum (RFC 9293, 3.1).
const FLAGS: u32 = 13;
const CHECKSUM: u32 = 16;
const RST: u8 = 4;
/// Bytes of a header of IP without options, or extension headers.
const IPV4_BYTES: u32 = 20;
const IPV6_BYTES: u32 = 40;

/// Makes an answer of a refused frame and sends it back; what the program then returns. `None`:
/// nobody is told, and the frame, which may no longer be what it was, has to be dropped.
#[inline(always)]
pub(crate) fn answer(ctx: &SkBuffContext, link: &Link, seen: &Seen) -> Option<i32> {
    if !is_due(ctx, link, seen) || !become_answer(ctx, link, seen) {
        return None;
    }
    if link.is_ethernet != 0 {
        let [d0, d1, d2, s0, s1, s2] = ctx.load::<[u16; 6]>(0).ok()?;
        ctx.store(0, &[s0, s1, s2, d0, d1, d2], 0).ok()?;
    }
    // SAFETY: the kernel hands the program a valid context, and `ifindex` is readable in it.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    // SAFETY: the helper takes numbers.
    Some(unsafe { bpf_redirect(ifindex, u64::from(BPF_F_INGRESS)) } as i32)
}

/// Whether somebody is there to be told: not whom the socket hook tells, not the kernel, and no
/// answer to an answer (RFC 9293, 3.10.7.1; RFC 1122, 3.2.2; RFC 4443, 2.4).
#[inline(never)]
fn is_due(ctx: &SkBuffContext, link: &Link, seen: &Seen) -> bool {
    let Seen { packet, decision, is_anyones, .. } = seen.as_it_is();
    // SAFETY: the kernel hands the program a valid context.
    let came_by = unsafe { (*ctx.skb.skb).ingress_ifindex };
    let is_by_policy = decision.reason == Reason::NoRule || decision.reason == Reason::Rule;
    if *is_anyones == 0 || came_by == 0 || !is_by_policy {
        return false;
    }
    // Neither tags in the frame, nor options, nor extension headers.
    let base = link.is_ethernet * ETHERNET_HEADER_BYTES;
    let header = if packet.is_v6 { IPV6_BYTES } else { IPV4_BYTES };
    if link.base != base || packet.transport != header || packet.piece != Piece::WHOLE {
        return false;
    }
    match packet.protocol {
        protocol::TCP => ctx
            .load::<u8>((link.base + packet.transport + FLAGS) as usize)
            .is_ok_and(|flags| flags & RST == 0),
        protocol::ICMP => packet.destination_port == ECHO_REQUEST,
        protocol::ICMPV6 => packet.destination_port == ECHO_REQUEST_V6,
        _ => true,
    }
}

#[inline(always)]
fn become_answer(ctx: &SkBuffContext, link: &Link, seen: &Seen) -> bool {
    match (seen.packet.protocol == protocol::TCP, seen.packet.is_v6) {
        (true, false) => become_reset_v4(ctx, link.base, seen.packet.length),
        (true, true) => become_reset_v6(ctx, link.base, seen.packet.length),
        (false, false) => become_prohibited_v4(ctx, link.base),
        (false, true) => become_prohibited_v6(ctx, link.base),
    }
}

#[inline(never)]
fn become_reset_v4(ctx: &SkBuffContext, base: u32, length: u32) -> bool {
    let Ok(refused) = ctx.load(base as usize) else { return false };
    let checksum = checksum(ctx, base + IPV4_BYTES);
    write(ctx, base, &reset_v4(&refused, length, checksum))
}

#[inline(never)]
fn become_reset_v6(ctx: &SkBuffContext, base: u32, length: u32) -> bool {
    let Ok(refused) = ctx.load(base as usize) else { return false };
    let checksum = checksum(ctx, base + IPV6_BYTES);
    write(ctx, base, &reset_v6(&refused, length, checksum))
}

#[inline(never)]
fn become_prohibited_v4(ctx: &SkBuffContext, base: u32) -> bool {
    let Ok(refused) = ctx.load(base as usize) else { return false };
    write(ctx, base, &prohibited_v4(&refused))
}

#[inline(never)]
fn become_prohibited_v6(ctx: &SkBuffContext, base: u32) -> bool {
    let Ok(refused) = ctx.load(base as usize) else { return false };
    write(ctx, base, &prohibited_v6(&refused))
}

/// Who is to compute the checksum of a segment. No program is told; but the kernel changes a
/// checksum with the bytes under it only where it is whole (`inet_proto_csum_replace4`,
/// net/core/utils.c, 6.18).
#[inline(always)]
fn checksum(ctx: &SkBuffContext, transport: u32) -> Checksum {
    let at = (transport + CHECKSUM) as usize;
    let before = ctx.load::<u16>(at);
    let is_asked = ctx.l4_csum_replace(at, 0, 1, size_of::<u16>() as u64).is_ok();
    if is_asked && before == ctx.load::<u16>(at) { Checksum::Partial } else { Checksum::Whole }
}

#[inline(always)]
fn write<const N: usize>(ctx: &SkBuffContext, base: u32, answer: &[u32; N]) -> bool {
    let length = base + (size_of::<u32>() * N) as u32;
    // SAFETY: the kernel hands the program a valid context; no pointer into the packet is kept.
    let is_long_enough = unsafe { bpf_skb_change_tail(ctx.skb.skb.cast(), length, 0) } == 0;
    is_long_enough && ctx.store(base as usize, answer, u64::from(BPF_F_INVALIDATE_HASH)).is_ok()
}
