//! What passes again between others: datagrams of a socket that sends to several destinations.
//!
//! A socket remembers one flow itself (`repeat`). Those of a socket that takes turns are in a table
//! of all sockets, under the same conditions; one that is not there is judged.

use aya_ebpf::{
    btf_maps::LruHashMap, helpers::generated::bpf_get_socket_cookie, macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    passed::{PassedEntry, PassedKey, Secrets},
    repeat::{Plain, Repeat},
    settings::Settings,
};

use crate::{
    count, learned,
    packet::{ifindex, packets},
    plain,
    repeat::{among, ticks},
    seen::Seen,
};

#[btf_map]
static PASSED: LruHashMap<PassedKey, PassedEntry, 16_384> = LruHashMap::new();

/// What the loader writes over it.
#[unsafe(no_mangle)]
static SECRETS: Secrets = [0; 12];

/// Lets a datagram pass as one of its socket before, and counts it; `false` where it is to be
/// judged.
#[inline(never)]
pub(crate) fn passes(ctx: &SkBuffContext, generation: u64) -> bool {
    let Some(plain) = plain::read(ctx, 0) else { return false };
    if !plain.is_udp() {
        return false;
    }
    let key = key(ctx, &plain);
    let Some(entry) = entry(&key) else { return false };
    let Some(by) = entry.passes(tag(&key), generation, ticks()) else { return false };
    let packets = packets(ctx);
    entry.uncounted = entry.uncounted.wrapping_add(packets);
    count::repeated(by, plain.is_v6(), packets, u64::from(ctx.len()));
    true
}

/// Whether a frame is a datagram that the socket hook has let pass and that has left by this uplink
/// before. It has been counted.
#[inline(never)]
pub(crate) fn leaves(ctx: &SkBuffContext, base: u32, generation: u64) -> bool {
    let Some(plain) = plain::read(ctx, base) else { return false };
    if !plain.is_udp() {
        return false;
    }
    let key = key(ctx, &plain);
    let Some(entry) = entry(&key) else { return false };
    let (tag, uplink) = (tag(&key), Repeat::uplink(ifindex(ctx), base));
    entry.has_left_by(tag, uplink) && entry.passes(tag, generation, ticks()).is_some()
}

/// What let a datagram pass, plus one; 0: nothing has.
#[inline(always)]
pub(crate) fn by(ctx: &SkBuffContext, plain: &Plain, generation: u64) -> u64 {
    let key = key(ctx, plain);
    let Some(entry) = entry(&key) else { return 0 };
    entry.passes(tag(&key), generation, ticks()).map_or(0, |by| u64::from(by) + 1)
}

/// Remembers what has passed for the second time, between others, and catches up with the count of
/// it: a datagram of a socket with several destinations, as [`crate::repeat::note`] has told by one of
/// [`among`].
///
/// Whether it is remembered: of a function without a result the verifier finds whatever is left in
/// its register.
#[inline(never)]
pub(crate) fn note(ctx: &SkBuffContext, settings: &Settings, seen: &Seen, what: u32) -> bool {
    let seen = seen.as_it_is();
    let packet = &seen.packet;
    let plain = Plain::with_ports(packet, seen.is_loopback == 1);
    let is_held = what == among::REMEMBER;
    let (by, now, key) = (seen.decision.by.bits(), ticks(), key(ctx, &plain));
    let tag = tag(&key);
    if let Some(entry) = entry(&key) {
        let uncounted = entry.uncounted;
        if uncounted != 0 {
            entry.uncounted = 0;
            let to = &packet.destination;
            let done = learned::note_uses(seen.namespace, to, uncounted, seen.now_ns);
            core::hint::black_box(done);
        }
        if is_held {
            entry.write(tag, by, settings.generation, now);
        }
    } else if is_held {
        let entry = PassedEntry::new(tag, by, settings.generation, now);
        // A failed insert is an allocation failure: the next one is judged as well.
        return PASSED.insert(key, entry, 0).is_ok();
    }
    is_held
}

/// Remembers by which uplink a datagram leaves that passes; `false` where none is remembered.
#[inline(always)]
pub(crate) fn note_uplink(
    ctx: &SkBuffContext,
    generation: u64,
    plain: &Plain,
    uplink: u32,
) -> bool {
    let key = key(ctx, plain);
    let (tag, entry) = (tag(&key), entry(&key));
    let Some(entry) = entry.filter(|it| it.passes(tag, generation, ticks()).is_some()) else {
        return false;
    };
    entry.leave(tag, uplink);
    true
}

#[inline(always)]
fn entry<'a>(key: &PassedKey) -> Option<&'a mut PassedEntry> {
    // SAFETY: a value of the map, be it another key's by now. Its words may be written by several
    // processors at once, and whoever reads them bears with a mixture.
    unsafe { PASSED.get_ptr_mut(key)?.as_mut() }
}

/// The key's number, by which its entry is understood. A function of its own, which needs no room
/// of its caller's.
#[inline(never)]
fn tag(key: &PassedKey) -> u64 {
    let secrets = (&raw const SECRETS).cast::<u64>();
    // SAFETY: an aligned static, of which each index is; volatile, because the loader has written it.
    key.tag(|index| unsafe { core::ptr::read_volatile(secrets.add(index)) })
}

#[inline(always)]
fn key(ctx: &SkBuffContext, plain: &Plain) -> PassedKey {
    // SAFETY: the kernel hands the program a valid context.
    let socket = unsafe { bpf_get_socket_cookie(ctx.skb.skb.cast()) };
    PassedKey { socket, plain: *plain }
}
