//! What `connect` tells egress about a socket, and what egress tells `connect` about a
//! destination.

use aya_ebpf::{
    btf_maps::{LruHashMap, SkStorage},
    helpers::generated::{bpf_get_netns_cookie, bpf_sk_fullsock, bpf_sk_storage_get},
    macros::btf_map,
    programs::{SkBuffContext, SockAddrContext},
};
use enforcer_common::{
    address::Address,
    connect::{EVIDENCE_NS, RefusedEntry, RefusedKey, SocketNote},
    packet::Packet,
    settings::Settings,
};

#[btf_map]
static SOCKETS: SkStorage<SocketNote> = SkStorage::new();
#[btf_map]
static REFUSED: LruHashMap<RefusedKey, RefusedEntry, 16_384> = LruHashMap::new();

/// The destination of a `connect`, in the namespace it is asked in.
#[inline(always)]
pub(crate) fn key_of_connect(
    ctx: &SockAddrContext,
    destination: Address,
    port_be: [u8; 2],
) -> RefusedKey {
    // SAFETY: the kernel hands the program a valid context.
    let namespace = unsafe { bpf_get_netns_cookie(ctx.sock_addr.cast()) };
    RefusedKey { namespace, destination, port_be, padding: [0; 6] }
}

/// Writes down what a socket asks for, so that egress can tell whether it was translated.
#[inline(always)]
pub(crate) fn note_asked(ctx: &SockAddrContext, key: &RefusedKey) {
    let mut note = SocketNote {
        namespace: key.namespace,
        destination: key.destination,
        port_be: key.port_be,
        padding: [0; 6],
    };
    // SAFETY: `note` outlives the call, and the context's socket is a full one.
    let stored = unsafe { SOCKETS.get_or_insert_ptr_mut(ctx, Some(&mut note)) };
    if !stored.is_null() {
        // SAFETY: not null, and storage lives as long as the socket; a second connect of one
        // socket replaces what the first asked for.
        unsafe { *stored = note };
    }
}

/// Whether egress has lately refused this very destination, under this generation.
#[inline(always)]
pub(crate) fn was_refused(settings: &Settings, key: &RefusedKey, now_ns: u64) -> bool {
    // SAFETY: the entry is read before this program writes the map.
    unsafe { REFUSED.get(key) }
        .is_some_and(|entry| entry.generation == settings.generation && entry.expires_ns > now_ns)
}

/// Leaves evidence of a refused packet whose destination is the one its socket asked for.
#[inline(always)]
pub(crate) fn note_refused(ctx: &SkBuffContext, settings: &Settings, packet: &Packet, now_ns: u64) {
    // SAFETY: the kernel hands the program a valid context.
    let socket = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
    if socket.is_null() {
        return;
    }
    // SAFETY: the socket is not null.
    let socket = unsafe { bpf_sk_fullsock(socket) };
    if socket.is_null() {
        return;
    }
    let map = core::ptr::from_ref(&SOCKETS).cast_mut();
    // SAFETY: a full socket, and the map that holds `SocketNote`.
    let note = unsafe { bpf_sk_storage_get(map.cast(), socket.cast(), core::ptr::null_mut(), 0) };
    if note.is_null() {
        return;
    }
    // SAFETY: not null, and the map's value type is `SocketNote`.
    let note = unsafe { &*note.cast::<SocketNote>() };
    if note.destination != packet.destination
        || note.port_be != packet.destination_port.to_be_bytes()
    {
        return;
    }
    let key = RefusedKey {
        namespace: note.namespace,
        destination: note.destination,
        port_be: note.port_be,
        padding: [0; 6],
    };
    let entry = RefusedEntry { generation: settings.generation, expires_ns: now_ns + EVIDENCE_NS };
    // A failed insert costs the next connect its immediate error, nothing else.
    let _: Result<(), i32> = REFUSED.insert(key, entry, 0);
}
