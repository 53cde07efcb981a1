//! TC ingress of an uplink: who opens flows from outside. Every frame passes.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::packet::{Packet, ethertype};

use crate::{
    frame::{Frame, Link},
    seen::Seen,
    wire,
};

#[inline(always)]
pub(crate) fn note(ctx: &SkBuffContext) {
    // SAFETY: the helper takes nothing.
    let mut seen = Seen::new(unsafe { bpf_ktime_get_boot_ns() });
    let mut link = Link::UNKNOWN;
    if parse(ctx, &mut link, &mut seen) {
        note_flow(ctx, &link, &seen);
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
    let Ok(packet) = Packet::parse(&Frame::new(ctx, found, seen.now_ns)) else { return false };
    seen.packet = packet;
    true
}

#[inline(never)]
fn note_flow(ctx: &SkBuffContext, link: &Link, seen: &Seen) {
    let seen = seen.as_it_is();
    wire::note_arrived(ctx, link.base, &seen.packet, seen.now_ns);
}
