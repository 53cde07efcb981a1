//! Flows: replies to whoever opened them, and rules that have admitted them.
//!
//! A TCP connection is its socket: a listener that somebody connects to is marked, and the sockets
//! that it accepts inherit the mark. Datagrams have no connection: a table says who sent first.
//! Where that is forgotten, because more flows came than it has room for, the policy judges.

use aya_ebpf::{
    btf_maps::{Array, LruHashMap},
    helpers::generated::bpf_ktime_get_boot_ns,
    macros::btf_map,
    programs::SkBuffContext,
};
use enforcer_common::{
    abi::MAX_RULES,
    address::Address,
    flow::{PEER_NS, PEER_REFRESH_NS, PeerEntry, PeerKey, SocketFlow, opened},
    packet::{Packet, protocol},
    settings::Settings,
    verdict::Verdict,
};

use crate::{
    packet::{Buffer, nothing},
    seen::Seen,
    socket::Socket,
    wire,
};

/// Who exchanges datagrams with which port, and who began.
#[btf_map]
static PEERS: LruHashMap<PeerKey, PeerEntry, 65_536> = LruHashMap::new();
/// The generation since which each slot has its rule.
#[btf_map]
static SLOT_SINCE: Array<u64, { MAX_RULES as usize }> = Array::new();

/// What is known of the flow of a packet that leaves.
pub(crate) mod way {
    /// It goes back to whoever opened the flow.
    pub(crate) const REPLY: u32 = 1;
    /// This side has opened it, and that is written down.
    pub(crate) const OWN: u32 = 2;
}

/// What arrives: marks the listener that is asked for a connection, and writes down who sends
/// datagrams to a socket that has not asked for them.
#[inline(never)]
pub(crate) fn note_arrival(ctx: &SkBuffContext) {
    let Some(socket) = Socket::of_packet(ctx) else { return };
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    // By loopback comes what this node has sent, in whosoever's name; what goes back that way needs
    // no rule.
    if buffer.is_loopback() {
        return;
    }
    if socket.is_stream() && socket.is_listening() {
        socket.mark_inbound();
    }
    if !socket.is_datagram() {
        return;
    }
    let Ok(packet) = Packet::parse(&buffer) else { return };
    if packet.protocol != protocol::UDP {
        return;
    }
    if let Some(key) = key_of(socket, packet.source, packet.source_port) {
        note_peer(&key, opened::INBOUND, now_ns);
    }
}

/// The key of a flow of datagrams; `None` for the one with the first destination that the socket
/// has asked for, which it has begun for certain.
#[inline(always)]
fn key_of(socket: Socket, address: Address, port: u16) -> Option<PeerKey> {
    let port_be = port.to_be_bytes();
    let cookie = match socket.note() {
        Some(note)
            if note.is_set == 1 && note.destination == address && note.port_be == port_be =>
        {
            return None;
        }
        Some(note) => note.cookie,
        None => 0,
    };
    Some(key(socket, cookie, address, port_be))
}

#[inline(always)]
fn key(socket: Socket, namespace: u64, address: Address, port_be: [u8; 2]) -> PeerKey {
    let own_port_be = socket.own_port().to_be_bytes();
    PeerKey { namespace, address, port_be, own_port_be, padding: 0 }
}

/// Begins a flow of datagrams, or lets it go on; who began it stays.
#[inline(always)]
fn note_peer(key: &PeerKey, opened: u32, now_ns: u64) {
    // SAFETY: a value of the map; a word of it may be written by several processors at once, each
    // with the time of now.
    if let Some(entry) = PEERS.get_ptr_mut(key).and_then(|entry| unsafe { entry.as_mut() })
        && entry.is_live(now_ns)
    {
        prolong(entry, now_ns);
        return;
    }
    let expires_ns = now_ns + PEER_NS;
    // A failed insert is an allocation failure: the reply is judged by the policy.
    let _: Result<(), i32> = PEERS.insert(key, PeerEntry { expires_ns, opened, padding: 0 }, 0);
}

/// What is known of a flow of datagrams, one of [`way`]; 0: nothing. One of this side goes on.
///
/// What has come to a socket that is older than the hooks is written down without its namespace,
/// which its first call tells.
#[inline(always)]
fn way_of(socket: Socket, key: &PeerKey, now_ns: u64) -> u32 {
    match way_here(key, now_ns) {
        0 if key.namespace != 0 && !socket.is_noted_at_birth() => {
            way_here(&PeerKey { namespace: 0, ..*key }, now_ns)
        }
        way => way,
    }
}

#[inline(always)]
fn way_here(key: &PeerKey, now_ns: u64) -> u32 {
    let Some(entry) = PEERS.get_ptr_mut(key) else { return 0 };
    // SAFETY: a value of the map; a word of it may be written by several processors at once, each
    // with the time of now.
    let Some(entry) = (unsafe { entry.as_mut() }) else { return 0 };
    if !entry.is_live(now_ns) {
        return 0;
    }
    if entry.opened == opened::INBOUND {
        // What was read may be another flow's: a table that forgets gives an entry's memory to
        // another key at once (`prealloc_lru_pop`, kernel/bpf/hashtab.c, 6.18). A flow that is found
        // once more has had it all the while.
        let again = PEERS.get_ptr(key);
        // SAFETY: a value of the map, as above.
        let is_its_own = again.is_some_and(|it| unsafe { (*it).opened } == opened::INBOUND);
        return u32::from(is_its_own) * way::REPLY;
    }
    prolong(entry, now_ns);
    way::OWN
}

#[inline(always)]
fn prolong(entry: &mut PeerEntry, now_ns: u64) {
    let expires_ns = now_ns + PEER_NS;
    if entry.expires_ns + PEER_REFRESH_NS < expires_ns {
        entry.expires_ns = expires_ns;
    }
}

/// Whether a datagram that a socket is about to send, or a peer that it chooses, is an answer to
/// somebody who sent first.
#[inline(always)]
pub(crate) fn is_answer(
    socket: Socket,
    cookie: u64,
    destination: Address,
    port_be: [u8; 2],
    now_ns: u64,
) -> bool {
    way_of(socket, &key(socket, cookie, destination, port_be), now_ns) == way::REPLY
}

/// Finds out whether a packet is a reply, and which rule has admitted its flow.
#[inline(never)]
pub(crate) fn find(ctx: &SkBuffContext, seen: &mut Seen) {
    match Socket::of_packet(ctx) {
        Some(socket) if has_flows(socket) => find_of(socket, seen),
        _ => wire::find(ctx, 0, seen),
    }
}

/// Whether the flows of a socket are written down: it is neither raw nor one by which the kernel
/// itself answers, nor a connection that is older than the hooks.
#[inline(always)]
pub(crate) fn has_flows(socket: Socket) -> bool {
    socket.is_ip()
        && (socket.is_datagram()
            || socket.is_stream() && (socket.is_known() || socket.is_inbound()))
}

/// As [`find`], of a socket.
#[inline(always)]
pub(crate) fn find_of(socket: Socket, seen: &mut Seen) {
    let nothing = nothing(seen.now_ns);
    let mut way = 0;
    let mut by = 0;
    if socket.is_stream() && seen.packet.protocol == protocol::TCP {
        way = u32::from(socket.is_inbound()) * way::REPLY;
        by = rule_of(socket, &seen.packet);
    } else if socket.is_datagram() && seen.packet.protocol == protocol::UDP {
        let Packet { destination, destination_port, .. } = seen.packet;
        way = match key_of(socket, destination, destination_port) {
            Some(key) => way_of(socket, &key, seen.now_ns),
            None => way::OWN,
        };
    }
    seen.way = way ^ nothing;
    seen.flow_by = by ^ nothing;
}

/// Whether a slot has had its rule since this generation.
#[inline(always)]
pub(crate) fn has_kept_its_rule(slot: u32, generation: u64) -> bool {
    SLOT_SINCE.get(slot).is_some_and(|since| *since <= generation)
}

/// The slot, plus one, that admitted a connection and still has the same rule; 0: none.
#[inline(always)]
fn rule_of(socket: Socket, packet: &Packet) -> u32 {
    let Some(flow) = socket.flow() else { return 0 };
    let port_be = packet.destination_port.to_be_bytes();
    if flow.by == 0 || flow.destination != packet.destination || flow.port_be != port_be {
        return 0;
    }
    if has_kept_its_rule(flow.by - 1, flow.generation) { flow.by } else { 0 }
}

/// Writes down what passes: which rule has admitted the connection, or that this side has begun to
/// send datagrams, whatever let it: an implicit rule, or an audit.
#[inline(never)]
pub(crate) fn note_passing(ctx: &SkBuffContext, settings: &Settings, seen: &Seen) {
    let seen = seen.as_it_is();
    let Seen { packet, decision, now_ns, .. } = seen;
    let Some(socket) = Socket::of_packet(ctx) else { return };
    socket.set_pass(packet, decision.by, settings.generation);
    if seen.way == way::REPLY && !has_flows(socket) {
        wire::keep(packet, *now_ns);
        return;
    }
    if socket.is_stream() && packet.protocol == protocol::TCP {
        let Some(slot) = decision.by.slot() else { return };
        let by = u32::from(slot) + 1;
        if decision.verdict == Verdict::Allow && seen.flow_by != by {
            socket.set_flow(&SocketFlow {
                generation: settings.generation,
                destination: packet.destination,
                port_be: packet.destination_port.to_be_bytes(),
                padding: [0; 2],
                by,
            });
        }
    } else if socket.is_datagram()
        && packet.protocol == protocol::UDP
        && seen.way == 0
        && seen.is_loopback == 0
        && let Some(key) = key_of(socket, packet.destination, packet.destination_port)
    {
        note_peer(&key, opened::OUTBOUND, *now_ns);
    }
}
