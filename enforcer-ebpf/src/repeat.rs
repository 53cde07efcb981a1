//! What passes again: a packet of a flow that its socket has sent on just now.
//!
//! Most packets are like the one before. Where the socket says so, a packet passes after one look
//! at its socket and none at the policy; what it is compared with is each field that a verdict
//! depends on, the generation, and a time after which it is judged anew.

use aya_ebpf::{
    helpers::generated::{bpf_jiffies64, bpf_spin_lock, bpf_spin_unlock},
    programs::SkBuffContext,
};
use enforcer_common::{
    learned::AddressKey,
    packet::protocol,
    repeat::{MARGIN_NS, Plain, Repeat},
    settings::Settings,
    verdict::Reason,
};

use crate::{
    count,
    flow::{self, way},
    learned,
    packet::{ifindex, is_loopback, packets},
    passed, plain,
    seen::Seen,
    socket::Socket,
    tables,
};

/// Lets a packet pass as the last one of its socket, or as one of several before, and counts it;
/// `false` where it is to be judged.
#[inline(always)]
pub(crate) fn passes(ctx: &SkBuffContext) -> bool {
    let Some(entry) = Socket::entry_of_packet(ctx) else { return false };
    let Some(plain) = plain::read(ctx, 0) else { return false };
    let Some(generation) = tables::generation() else { return false };
    let Some(by) = entry.repeat.passes(&plain, false, generation, ticks()) else {
        return entry.note.is_several == 1 && passed::passes(ctx, generation);
    };
    let packets = packets(ctx);
    entry.repeat.uncounted = entry.repeat.uncounted.wrapping_add(packets);
    count::repeated(by, plain.is_v6(), packets, u64::from(ctx.len()));
    true
}

/// Whether a frame is a packet that the socket hook has let pass and that has left by this uplink
/// before. It has been counted.
#[inline(always)]
pub(crate) fn leaves(ctx: &SkBuffContext) -> bool {
    let Some(entry) = Socket::entry_of_packet(ctx) else { return false };
    let is_several = entry.note.is_several == 1;
    if !entry.repeat.has_left() && !is_several {
        return false;
    }
    let Some(base) = entry.repeat.base(ifindex(ctx)) else { return false };
    let Some(generation) = tables::generation() else { return false };
    if entry.repeat.has_left()
        && let Some(plain) = plain::read(ctx, base)
        && entry.repeat.passes(&plain, false, generation, ticks()).is_some()
    {
        return true;
    }
    is_several && passed::leaves(ctx, base, generation)
}

/// Whether what a socket receives is of no use to anybody here: it has asked no resolver, and
/// neither asks a listener for a connection nor begins a flow of datagrams.
#[inline(always)]
pub(crate) fn arrives(ctx: &SkBuffContext) -> bool {
    let Some(entry) = Socket::entry_of_packet(ctx) else { return false };
    if entry.is_asking != 0 {
        return false;
    }
    let Some(plain) = plain::read(ctx, 0) else { return false };
    if plain.form & 0xff == u32::from(protocol::TCP) {
        return !Socket::is_listener_of(ctx);
    }
    let Some(generation) = tables::generation() else { return false };
    entry.repeat.passes(&plain, true, generation, ticks()).is_some()
}

/// What there is to do for a datagram of a socket with several destinations.
pub(crate) mod among {
    /// Nothing: it is none.
    pub(crate) const NO: u32 = 0;
    /// To catch up with its count.
    pub(crate) const COUNT: u32 = 1;
    /// To remember it as well.
    pub(crate) const REMEMBER: u32 = 2;
}

/// Remembers what has passed for the second time in a row, and the first packet of a connection;
/// tells what there is to do for [`passed::note`], one of [`among`]. Before [`flow::note_passing`],
/// which makes this the last that has passed.
#[inline(never)]
pub(crate) fn note(ctx: &SkBuffContext, settings: &Settings, seen: &Seen) -> u32 {
    let seen = seen.as_it_is();
    let packet = &seen.packet;
    // What is asked of a resolver is written down, question by question.
    if seen.resolver != 0 {
        return among::NO;
    }
    let Some(plain) = Plain::of(packet, seen.is_loopback == 1) else { return among::NO };
    let Some(socket) = Socket::of_packet(ctx) else { return among::NO };
    if !flow::has_flows(socket) || socket.is_listening() {
        return among::NO;
    }
    let Some(entry) = socket.entry() else { return among::NO };
    let uncounted = entry.repeat.uncounted;
    if uncounted != 0 {
        entry.repeat.uncounted = 0;
        let destination = entry.repeat.destination();
        let done = learned::note_uses(seen.namespace, &destination, uncounted, seen.now_ns);
        core::hint::black_box(done);
    }
    let is_several = u32::from(plain.is_udp()) & entry.note.is_several;
    // A connection's first packet is never its only one.
    let is_last = entry.pass.covers(packet, settings.generation) || socket.is_connecting();
    // A connection goes on after its name's address has expired; datagrams do not.
    if seen.flow_by == 0 && ends_soon(settings, seen) {
        return is_several * among::COUNT;
    }
    if !is_last {
        return is_several * if seen.way == way::OWN { among::REMEMBER } else { among::COUNT };
    }
    let now = ticks();
    let lock = &raw mut entry.lock;
    // SAFETY: the lock of that value; the program holds no other.
    unsafe { bpf_spin_lock(lock.cast()) };
    entry.repeat.write(&plain, seen.decision.by.bits(), settings.generation, now);
    // SAFETY: taken above.
    unsafe { bpf_spin_unlock(lock.cast()) };
    is_several * among::COUNT
}

/// Whether the rule that lets a packet pass names a domain, and an address of a name that lets it
/// pass, or may, is about to expire.
#[inline(always)]
fn ends_soon(settings: &Settings, seen: &Seen) -> bool {
    let is_rule = seen.decision.reason == Reason::Rule;
    if !is_rule || !seen.decision.by.slot().is_some_and(|slot| settings.named.contains(slot)) {
        return false;
    }
    let soon = seen.now_ns + MARGIN_NS;
    let destination = seen.packet.destination;
    let everywhere = learned::entry(&AddressKey::everywhere(destination));
    if everywhere.is_some_and(|entry| entry.expires_ns < soon) {
        return true;
    }
    let here = AddressKey { namespace: seen.namespace, address: destination };
    seen.namespace != 0 && learned::entry(&here).is_some_and(|entry| entry.expires_ns < soon)
}

/// What let a packet pass at the socket hook, plus one, where its socket has sent others since; 0:
/// nothing has.
#[inline(never)]
pub(crate) fn let_pass_by(ctx: &SkBuffContext, settings: &Settings, seen: &Seen) -> u64 {
    // A datagram that is too long for the device was whole there.
    match Plain::before_cutting(&seen.packet, is_loopback(ctx)) {
        Some(plain) if plain.is_udp() => passed::by(ctx, &plain, settings.generation),
        _ => 0,
    }
}

/// Remembers by which uplink a packet leaves, if it is the one that the socket hook remembers: of
/// another this program has not yet written down that it passes.
#[inline(never)]
pub(crate) fn note_uplink(ctx: &SkBuffContext, settings: &Settings, base: u32, seen: &Seen) {
    let seen = seen.as_it_is();
    let Some(entry) = Socket::entry_of_packet(ctx) else { return };
    let Some(plain) = Plain::of(&seen.packet, is_loopback(ctx)) else { return };
    let (uplink, now) = (Repeat::uplink(ifindex(ctx), base), ticks());
    let is_among = entry.note.is_several == 1
        && plain.is_udp()
        && passed::note_uplink(ctx, settings.generation, &plain, uplink)
        && entry.repeat.base(ifindex(ctx)) != Some(base);
    let lock = &raw mut entry.lock;
    // SAFETY: the lock of that value; the program holds no other.
    unsafe { bpf_spin_lock(lock.cast()) };
    if entry.repeat.passes(&plain, false, settings.generation, now).is_some() {
        entry.repeat.leave(uplink);
    } else if is_among && !entry.repeat.is_leaving(now) {
        entry.repeat.know(uplink);
    }
    // SAFETY: taken above.
    unsafe { bpf_spin_unlock(lock.cast()) };
}

/// The kernel's clock.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_jiffies64() }
}
