//! `cgroup_skb` egress: parse, decide, count, tell.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    decide::{Decision, decide},
    fragment::{FragmentEntry, LIFETIME_NS},
    measure,
    packet::{Bytes as _, Piece, ethertype, protocol},
    settings::{Settings, flag},
    verdict::{Reason, Verdict},
};

use crate::{
    ask,
    count::{self, Amount},
    evidence, flow, learned,
    measure::is_in_force,
    packet::{Buffer, packets},
    passed, plain,
    repeat::{self, among},
    seen::Seen,
    socket::Socket,
    tables::{self, Maps, outcome, settings_in_force},
    verdict,
};

/// Judges a packet.
#[inline(always)]
pub(crate) fn judge(ctx: &SkBuffContext) -> i32 {
    if repeat::passes(ctx) {
        return verdict::cgroup_skb(Verdict::Allow);
    }
    // SAFETY: the helper takes nothing.
    let mut seen = Seen::new(unsafe { bpf_ktime_get_boot_ns() });
    // Read once: a reload between two steps must not make one verdict of two policies.
    let Some(settings) = settings_in_force() else {
        count_decision(ctx, &seen);
        return verdict::cgroup_skb(Verdict::Deny);
    };
    let mut decided = outcome::DENIED;
    if parse(ctx, &mut seen) && identify(ctx, settings, &mut seen) {
        distrust_process(ctx, &mut seen);
        flow::find(ctx, &mut seen);
        decided = decide_on(ctx, settings, &mut seen);
    }
    let is_allowed = decided != outcome::DENIED;
    count_decision(ctx, &seen);
    if is_allowed {
        note_allowed(ctx, settings, &seen, decided == outcome::IN_USE);
        let what = repeat::note(ctx, settings, &seen);
        if what != among::NO {
            // Looked at, or the compiler takes the result away.
            core::hint::black_box(passed::note(ctx, settings, &seen, what));
        }
    } else if seen.packet.protocol == protocol::TCP {
        evidence::note_refused(ctx, settings, &seen);
        if !settings.has(flag::AUDIT) {
            evidence::tell_refused(ctx, settings);
        }
    }
    let is_passing = is_allowed || settings.has(flag::AUDIT);
    if is_passing {
        flow::note_passing(ctx, settings, &seen);
    }
    if is_passing && seen.resolver != 0 && seen.packet.piece != Piece::LATER {
        ask::note(ctx, &mut seen);
    }
    verdict::cgroup_skb(if is_passing { Verdict::Allow } else { Verdict::Deny })
}

/// Reads the packet; `false` where its form is the reason for a drop.
#[inline(never)]
fn parse(ctx: &SkBuffContext, seen: &mut Seen) -> bool {
    let buffer = Buffer::new(ctx, seen.now_ns);
    match plain::parse(ctx, 0, buffer.nothing(), &buffer) {
        Ok(packet) => {
            seen.packet = packet;
            true
        }
        Err(reason) => {
            seen.decision = Decision::drop(reason);
            false
        }
    }
}

/// Finds out who sends it and which trusted resolver it is for; `false` where it speaks in the name
/// of one and is not from its socket.
#[inline(never)]
fn identify(ctx: &SkBuffContext, settings: &Settings, seen: &mut Seen) -> bool {
    let socket = Socket::of_packet(ctx);
    let note = socket.and_then(Socket::note);
    let buffer = Buffer::new(ctx, seen.now_ns);
    seen.namespace = note.map_or(0, |note| note.namespace) ^ u64::from(buffer.nothing());
    seen.is_loopback = u32::from(buffer.is_loopback()) ^ buffer.nothing();
    if tables::is_forged(settings, &seen.packet, socket) && is_in_force(measure::FORGERY) {
        seen.decision = Decision::drop(Reason::ForgedResolver);
        return false;
    }
    let resolver = tables::find_resolver(settings, &seen.packet, socket, note.as_ref());
    seen.resolver = resolver ^ buffer.nothing();
    true
}

/// A process is not the kernel, whatever it sends.
#[inline(never)]
fn distrust_process(ctx: &SkBuffContext, seen: &mut Seen) {
    if Socket::of_packet(ctx).is_some_and(Socket::is_known) {
        seen.packet.distrust_discovery();
    }
}

/// Decides; one of [`outcome`].
#[inline(never)]
fn decide_on(ctx: &SkBuffContext, settings: &Settings, seen: &mut Seen) -> u32 {
    let maps = Maps::of_packet(ctx, settings, seen);
    seen.decision = decide(&maps, &seen.packet, seen.is_loopback == 1, seen.now_ns);
    maps.outcome(&seen.decision)
}

/// Counts what was decided.
#[inline(never)]
fn count_decision(ctx: &SkBuffContext, seen: &Seen) {
    let Seen { decision, now_ns, .. } = seen.as_it_is();
    let buffer = Buffer::new(ctx, *now_ns);
    let amount =
        Amount { packets: buffer.packets(), bytes: u64::from(buffer.length()), now_ns: *now_ns };
    count::decision(decision, buffer.ethertype() == ethertype::IPV6, &amount);
}

/// Writes down what later fragments and the expiry of an address need to know of it.
#[inline(never)]
fn note_allowed(ctx: &SkBuffContext, settings: &Settings, seen: &Seen, is_in_use: bool) {
    let seen = seen.as_it_is();
    if seen.packet.piece == Piece::FIRST {
        remember_first(settings, seen);
    }
    if is_in_use {
        note_use_of(ctx, seen);
    }
}

/// Lets the later fragments of a datagram pass.
#[inline(always)]
pub(super) fn remember_first(settings: &Settings, seen: &Seen) {
    let entry = FragmentEntry {
        generation: settings.generation,
        expires_ns: seen.now_ns + LIFETIME_NS,
        by: seen.decision.by.bits(),
        padding: 0,
    };
    tables::remember_fragment(&seen.packet.fragment_key(), &entry);
}

/// Writes down that an address of a name is in use.
#[inline(never)]
pub(super) fn note_use(ctx: &SkBuffContext, seen: &Seen) {
    note_use_of(ctx, seen.as_it_is());
}

#[inline(always)]
fn note_use_of(ctx: &SkBuffContext, seen: &Seen) {
    let Seen { packet, namespace, now_ns, .. } = seen;
    let done = learned::note_uses(*namespace, &packet.destination, packets(ctx), *now_ns);
    core::hint::black_box(done);
}
