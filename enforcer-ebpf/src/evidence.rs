//! What egress tells `connect` about a destination.

use aya_ebpf::{
    btf_maps::{LruHashMap, RingBuf},
    helpers::generated::bpf_ringbuf_output,
    macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    abi::REFUSED_BYTES,
    address::Address,
    connect::{EVIDENCE_NS, RefusedEntry, RefusedKey, RefusedSocket},
    settings::Settings,
};

use crate::{seen::Seen, socket::Socket};

#[btf_map]
static REFUSED: LruHashMap<RefusedKey, RefusedEntry, 16_384> = LruHashMap::new();

#[btf_map]
static REFUSED_SOCKETS: RingBuf<RefusedSocket, REFUSED_BYTES> = RingBuf::new();

/// The destination of a `connect`, in the namespace it is asked in.
#[inline(always)]
pub(crate) const fn key(namespace: u64, destination: Address, port_be: [u8; 2]) -> RefusedKey {
    RefusedKey { namespace, destination, port_be, padding: [0; 6] }
}

/// Whether egress has lately refused this very destination, under this generation.
#[inline(always)]
pub(crate) fn was_refused(settings: &Settings, key: &RefusedKey, now_ns: u64) -> bool {
    // SAFETY: the entry is read before this program writes the map.
    unsafe { REFUSED.get(key) }
        .is_some_and(|entry| entry.generation == settings.generation && entry.expires_ns > now_ns)
}

/// Tells the agent of a socket of its namespace that is being connected and is refused: it ends the
/// socket, since the kernel would only try again.
#[inline(never)]
pub(crate) fn tell_refused(ctx: &SkBuffContext, settings: &Settings) {
    let Some(socket) = Socket::of_packet(ctx) else { return };
    if !socket.is_connecting() {
        return;
    }
    let Some(note) = socket.note() else { return };
    if !note.is_of_host(settings.host_cookie) {
        return;
    }
    let ends = socket.ends();
    let map = core::ptr::from_ref(&REFUSED_SOCKETS).cast_mut();
    let record = (&raw const ends).cast_mut();
    // SAFETY: a ring, and a record of its type.
    let told = unsafe {
        bpf_ringbuf_output(map.cast(), record.cast(), size_of::<RefusedSocket>() as u64, 0)
    };
    // A full ring: whoever connects waits for the next SYN.
    let _: i64 = told;
}

/// Leaves evidence of a refused packet whose destination is the one its socket asked for.
#[inline(never)]
pub(crate) fn note_refused(ctx: &SkBuffContext, settings: &Settings, seen: &Seen) {
    let Seen { packet, now_ns, .. } = seen.as_it_is();
    let Some(note) = Socket::of_packet(ctx).and_then(Socket::note) else { return };
    let port_be = packet.destination_port.to_be_bytes();
    if note.is_set == 0 || note.destination != packet.destination || note.port_be != port_be {
        return;
    }
    let key = key(note.namespace, note.destination, note.port_be);
    let entry = RefusedEntry { generation: settings.generation, expires_ns: now_ns + EVIDENCE_NS };
    // A failed insert costs the next connect its immediate error, nothing else.
    let _: Result<(), i32> = REFUSED.insert(key, entry, 0);
}
