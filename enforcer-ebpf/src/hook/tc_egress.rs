//! TC egress of an uplink: judges what no socket hook has seen, or has not seen as it leaves.
//!
//! Packet sockets, forwarded packets, the outer packets of tunnels, and what the kernel sends by
//! itself come here first. What a socket hook has let pass, as it is on the wire, passes quietly:
//! one packet is counted once.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    decide::{Decision, Match, decide},
    packet::{Piece, UDP_HEADER_BYTES, ethertype, protocol},
    settings::{Settings, flag},
    verdict::{Implicit, Verdict},
};

use crate::{
    asked,
    count::{self, Amount},
    flow,
    frame::{Frame, Link, is_uplink},
    hook::egress::{note_use, remember_first},
    packet::{nothing, packets},
    plain, reject, repeat,
    seen::Seen,
    socket::Socket,
    tables::{self, Maps, outcome, settings_in_force},
    verdict, wire,
};

/// What reading a frame comes to: nothing in it passes, all of it does, or a packet to judge.
const DROP: u32 = 0;
const PASS: u32 = 1;
const JUDGE: u32 = 2;

/// The least that an Ethernet frame carries (IEEE 802.3); address resolution needs 28 bytes of it.
const MAX_ARP_BYTES: u32 = 46;

#[inline(always)]
pub(crate) fn judge(ctx: &SkBuffContext) -> i32 {
    if repeat::leaves(ctx) {
        return verdict::classifier(Verdict::Allow);
    }
    // SAFETY: the helper takes nothing.
    let mut seen = Seen::new(unsafe { bpf_ktime_get_boot_ns() });
    let mut link = Link::UNKNOWN;
    // Read once: a reload between two steps must not make one verdict of two policies.
    let Some(settings) = settings_in_force() else {
        count_decision(ctx, &link, &seen);
        return verdict::classifier(Verdict::Deny);
    };
    let read = read(ctx, &mut link, &mut seen);
    let mut is_allowed = read == PASS;
    let mut decided = outcome::DENIED;
    if read == JUDGE {
        if recognise(ctx, settings, &mut seen) {
            note_passing(ctx, settings, &seen);
            repeat::note_uplink(ctx, settings, link.base, &seen);
            return verdict::classifier(Verdict::Allow);
        }
        find(ctx, &link, &mut seen);
        decided = decide_on(ctx, settings, &mut seen);
        is_allowed = decided != outcome::DENIED;
    }
    if !is_allowed || seen.is_counted == 0 {
        count_decision(ctx, &link, &seen);
    }
    let is_passing = is_allowed || settings.has(flag::AUDIT);
    if read == JUDGE {
        if decided == outcome::IN_USE {
            note_use(ctx, &seen);
        }
        if is_passing {
            note_passing(ctx, settings, &seen);
            note_question(ctx, settings, &link, &seen);
        }
    }
    if !is_passing
        && settings.has(flag::REJECT_FORWARDED)
        && let Some(sent_back) = reject::answer(ctx, &link, &seen)
    {
        return sent_back;
    }
    verdict::classifier(if is_passing { Verdict::Allow } else { Verdict::Deny })
}

/// Reads the frame.
#[inline(never)]
fn read(ctx: &SkBuffContext, link: &mut Link, seen: &mut Seen) -> u32 {
    let Some(found) = Link::find(ctx, seen.now_ns) else { return DROP };
    *link = found;
    let length = ctx.len().saturating_sub(found.base);
    if found.ethertype == u32::from(ethertype::ARP) && length <= MAX_ARP_BYTES {
        seen.decision = Decision::implicit(Implicit::Arp);
        return PASS;
    }
    let is_ip = found.ethertype == u32::from(ethertype::IPV4)
        || found.ethertype == u32::from(ethertype::IPV6);
    if !is_ip && found.is_link_control(ctx) {
        seen.decision = Decision::implicit(Implicit::LinkControl);
        return PASS;
    }
    let frame = Frame::new(ctx, found, seen.now_ns);
    match plain::parse(ctx, found.base, nothing(seen.now_ns), &frame) {
        Ok(packet) => {
            seen.packet = packet;
            JUDGE
        }
        Err(reason) => {
            seen.decision = Decision::drop(reason);
            DROP
        }
    }
}

/// Finds out who sends it; `true` where the socket hook has let this very packet pass.
#[inline(never)]
fn recognise(ctx: &SkBuffContext, settings: &Settings, seen: &mut Seen) -> bool {
    let nothing = nothing(seen.now_ns);
    let Some(socket) = Socket::of_frame(ctx) else {
        seen.is_anyones = 1 ^ nothing;
        // What a namespace of this node sends has been counted where it was sent.
        // SAFETY: the kernel hands the program a valid context.
        let came_by = unsafe { (*ctx.skb.skb).ingress_ifindex };
        seen.is_counted = u32::from(came_by != 0 && !is_uplink(came_by)) ^ nothing;
        return false;
    };
    // A process is not the kernel, whatever it sends.
    if !socket.is_ip() {
        seen.packet.distrust_discovery();
        return false;
    }
    if socket.is_known() {
        seen.packet.distrust_discovery();
    }
    seen.namespace = socket.note().map_or(0, |note| note.namespace) ^ u64::from(nothing);
    let Some(pass) = socket.pass() else { return false };
    seen.is_counted = 1 ^ nothing;
    let by = if pass.covers(&seen.packet, settings.generation) {
        u64::from(pass.by) + 1
    } else {
        repeat::let_pass_by(ctx, settings, seen)
    };
    if by == 0 {
        return false;
    }
    seen.decision = Decision::passed(Match::from_bits((by - 1) as u32));
    true
}

/// Finds out whether it is a reply, and which rule has admitted its flow.
#[inline(never)]
fn find(ctx: &SkBuffContext, link: &Link, seen: &mut Seen) {
    match Socket::of_frame(ctx) {
        Some(socket) if flow::has_flows(socket) => flow::find_of(socket, seen),
        _ => wire::find(ctx, link.base, seen),
    }
}

/// Decides; one of [`outcome`].
#[inline(never)]
fn decide_on(ctx: &SkBuffContext, settings: &Settings, seen: &mut Seen) -> u32 {
    let maps = Maps::of_packet(ctx, settings, seen);
    seen.decision = decide(&maps, &seen.packet, false, seen.now_ns);
    maps.outcome(&seen.decision)
}

/// Counts what was decided.
#[inline(never)]
fn count_decision(ctx: &SkBuffContext, link: &Link, seen: &Seen) {
    let Seen { decision, now_ns, .. } = seen.as_it_is();
    let bytes = u64::from(ctx.len().saturating_sub(link.base));
    let amount = Amount { packets: packets(ctx), bytes, now_ns: *now_ns };
    count::decision(decision, link.ethertype == u32::from(ethertype::IPV6), &amount);
}

/// Writes down what later fragments, the expiry of an address and answers need to know of it.
#[inline(never)]
fn note_passing(ctx: &SkBuffContext, settings: &Settings, seen: &Seen) {
    let seen = seen.as_it_is();
    if seen.packet.piece == Piece::FIRST {
        remember_first(settings, seen);
    }
    let has_flows = Socket::of_frame(ctx).is_some_and(flow::has_flows);
    wire::note_passing(settings, seen, has_flows);
}

/// Writes down what is asked of a trusted resolver by somebody whose socket is not here.
#[inline(never)]
fn note_question(ctx: &SkBuffContext, settings: &Settings, link: &Link, seen: &Seen) {
    let seen = seen.as_it_is();
    let packet = &seen.packet;
    if packet.protocol != protocol::UDP || packet.piece != Piece::WHOLE {
        return;
    }
    let found = tables::resolver(settings, &packet.destination, packet.destination_port);
    let Some(resolver) = found.map(|entry| entry.number) else { return };
    if Socket::of_frame(ctx).is_some_and(flow::has_flows) {
        return;
    }
    let message = packet.transport + UDP_HEADER_BYTES;
    let length = packet.length.wrapping_sub(message);
    asked::note(ctx, seen, resolver, link.base + message, length);
}
