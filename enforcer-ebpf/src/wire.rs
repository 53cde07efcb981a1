//! Flows as the uplinks see them, for what has no socket: forwarded packets, what the kernel
//! answers by itself, raw sockets, and sockets that are older than the hooks.
//!
//! What comes in by an uplink cannot have been sent by this node in whosoever's name, other than
//! what comes by loopback. A flow that is forgotten, because more came than there is room for, is
//! judged by the policy.

use aya_ebpf::{btf_maps::LruHashMap, macros::btf_map, programs::SkBuffContext};
use enforcer_common::{
    address::Address,
    decide::Decision,
    flow::{FlowEntry, FlowKey, PEER_REFRESH_NS, lifetime_ns, opened},
    packet::{Packet, Piece, protocol},
    settings::Settings,
    verdict::Reason,
};

use crate::{
    flow::{has_kept_its_rule, way},
    packet::nothing,
    seen::Seen,
};

/// Who began which flow, and what admitted it.
#[btf_map]
static FLOWS: LruHashMap<FlowKey, FlowEntry, 65_536> = LruHashMap::new();

const ECHO_REPLY: u16 = 0;
pub(crate) const ECHO_REQUEST: u16 = 8;
pub(crate) const ECHO_REQUEST_V6: u16 = 128;
const ECHO_REPLY_V6: u16 = 129;
const UNREACHABLE: u16 = 3;
const TIME_EXCEEDED: u16 = 11;
const PARAMETER_PROBLEM: u16 = 12;
/// 1 to 4: unreachable, too big, time exceeded, parameter problem (RFC 4443, 2.1).
const LAST_ERROR_V6: u16 = 4;
/// What an error may be long: RFC 1812, 4.3.2.3, and the smallest MTU of IPv6 (RFC 4443, 2.4).
const MAX_ERROR_BYTES: u32 = 576;
const MAX_ERROR_BYTES_V6: u32 = 1_280;

const ICMP_HEADER_BYTES: u32 = 8;
const IPV6_HEADER_BYTES: u32 = 40;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Finds out whether a packet is a reply, and which rule has admitted its flow. Its network header
/// begins at `base`.
#[inline(always)]
pub(crate) fn find(ctx: &SkBuffContext, base: u32, seen: &mut Seen) {
    let nothing = nothing(seen.now_ns);
    let (is_reply, by) = look_up(ctx, base, seen);
    seen.way = is_reply ^ nothing;
    seen.flow_by = by ^ nothing;
}

#[inline(always)]
fn look_up(ctx: &SkBuffContext, base: u32, seen: &Seen) -> (u32, u32) {
    let packet = &seen.packet;
    if packet.piece == Piece::LATER {
        return (0, 0);
    }
    let Some(key) = key_of_leaving(ctx, base, packet) else { return (0, 0) };
    // SAFETY: the entry is read before this program writes the map.
    let Some(entry) = (unsafe { FLOWS.get(&key) }) else { return (0, 0) };
    let FlowEntry { opened, by, generation, .. } = *entry;
    if !entry.is_live(seen.now_ns) || !is_still_there(&key, opened, by) {
        return (0, 0);
    }
    if opened == opened::INBOUND {
        return (1, 0);
    }
    if by == 0 || !has_kept_its_rule(by - 1, generation) {
        return (0, 0);
    }
    // An error about an own flow is no packet of that flow, and its rule does not name it.
    if is_icmp(packet) { (1, 0) } else { (0, by) }
}

/// Whether what was read of a flow was its own. A table that forgets gives the memory of an entry to
/// another flow while it is read (`prealloc_lru_pop`, kernel/bpf/hashtab.c, 6.18); a flow that is
/// found once more has had it all the while.
#[inline(always)]
fn is_still_there(key: &FlowKey, opened: u32, by: u32) -> bool {
    // SAFETY: as in `look_up`.
    unsafe { FLOWS.get(key) }.is_some_and(|entry| entry.opened == opened && entry.by == by)
}

#[inline(always)]
fn is_icmp(packet: &Packet) -> bool {
    packet.protocol == protocol::ICMP && !packet.is_v6
        || packet.protocol == protocol::ICMPV6 && packet.is_v6
}

/// The flow that a packet belongs to, or that it is an error about.
#[inline(always)]
fn key_of_leaving(ctx: &SkBuffContext, base: u32, packet: &Packet) -> Option<FlowKey> {
    if !is_icmp(packet) {
        return Some(FlowKey::of_leaving(packet));
    }
    let at = base + packet.transport;
    match (packet.is_v6, packet.destination_port) {
        (false, ECHO_REPLY) | (true, ECHO_REPLY_V6) => {
            Some(FlowKey::of_leaving(packet).of_echo(identifier(ctx, at)?))
        }
        (false, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM)
            if packet.length <= MAX_ERROR_BYTES =>
        {
            quoted_v4(ctx, at + ICMP_HEADER_BYTES, packet)
        }
        (true, 1..=LAST_ERROR_V6) if packet.length <= MAX_ERROR_BYTES_V6 => {
            quoted_v6(ctx, at + ICMP_HEADER_BYTES, packet)
        }
        _ => None,
    }
}

/// The identifier of an echo (RFC 792; RFC 4443, 4.1).
#[inline(always)]
fn identifier(ctx: &SkBuffContext, icmp: u32) -> Option<[u8; 2]> {
    ctx.load::<[u8; 2]>((icmp + 4) as usize).ok()
}

/// The flow of a packet that has come and is quoted by an error to its sender.
#[inline(always)]
fn quoted_v4(ctx: &SkBuffContext, at: u32, packet: &Packet) -> Option<FlowKey> {
    let [first, _, third, source, destination] = ctx.load::<[u32; 5]>(at as usize).ok()?;
    let header_bytes = (u32::from_be(first) >> 24 & 0x0f) << 2;
    quoted(
        ctx,
        at + header_bytes,
        packet,
        Address::from_v4_word(source),
        Address::from_v4_word(destination),
        (u32::from_be(third) >> 16) as u8,
    )
}

#[inline(always)]
fn quoted_v6(ctx: &SkBuffContext, at: u32, packet: &Packet) -> Option<FlowKey> {
    let [_, second, s0, s1, s2, s3, d0, d1, d2, d3] = ctx.load::<[u32; 10]>(at as usize).ok()?;
    quoted(
        ctx,
        at + IPV6_HEADER_BYTES,
        packet,
        Address::from_words([s0, s1, s2, s3]),
        Address::from_words([d0, d1, d2, d3]),
        (u32::from_be(second) >> 8) as u8,
    )
}

#[inline(always)]
fn quoted(
    ctx: &SkBuffContext,
    transport: u32,
    packet: &Packet,
    source: Address,
    destination: Address,
    protocol: u8,
) -> Option<FlowKey> {
    if source != packet.destination {
        return None;
    }
    let key = FlowKey {
        own: destination,
        peer: source,
        own_port_be: [0; 2],
        peer_port_be: [0; 2],
        protocol: u32::from(protocol),
    };
    match protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            let [a, b, c, d] = ctx.load::<[u8; 4]>(transport as usize).ok()?;
            Some(FlowKey { own_port_be: [c, d], peer_port_be: [a, b], ..key })
        }
        protocol::ICMP | protocol::ICMPV6 => Some(key.of_echo(identifier(ctx, transport)?)),
        _ => Some(key),
    }
}

/// Writes down what passes: who has begun the flow, and which rule has admitted it.
///
/// Connections of sockets are written down there; of datagrams it has to be known here, too, that
/// this side has begun, or their answers would be taken for the beginning.
#[inline(always)]
pub(crate) fn note_passing(settings: &Settings, seen: &Seen, has_socket: bool) {
    let Seen { packet, decision, now_ns, .. } = seen;
    if packet.piece == Piece::LATER || is_icmp(packet) {
        return;
    }
    if packet.protocol == protocol::TCP && has_socket {
        return;
    }
    let key = FlowKey::of_leaving(packet);
    let by = slot_of(decision);
    if refresh(&key, *now_ns, if seen.way == way::REPLY { 0 } else { by }) {
        return;
    }
    // Of a connection only the rule is of use, since who begins it is seen by its SYN.
    if packet.protocol == protocol::TCP && by == 0 {
        return;
    }
    let opened = opened::OUTBOUND;
    let entry = FlowEntry {
        expires_ns: now_ns + lifetime_ns(packet.protocol),
        generation: settings.generation,
        opened,
        by,
    };
    // A failed insert is an allocation failure: the flow is judged by the policy.
    let _: Result<(), i32> = FLOWS.insert(&key, &entry, 0);
}

/// Lets the flow of a packet that leaves go on.
#[inline(always)]
pub(crate) fn keep(packet: &Packet, now_ns: u64) {
    let _: bool = refresh(&FlowKey::of_leaving(packet), now_ns, 0);
}

/// The slot, plus one, of the rule that lets a packet pass; 0: it is none.
#[inline(always)]
fn slot_of(decision: &Decision) -> u32 {
    match decision.by.slot() {
        Some(slot) if decision.reason == Reason::Rule => u32::from(slot) + 1,
        _ => 0,
    }
}

/// Lets a live flow go on; `false` where there is none, or where this side has opened it and it has
/// to be written anew that a rule admits it: `by` is its slot, plus one; 0: it need not be known.
#[inline(always)]
fn refresh(key: &FlowKey, now_ns: u64, by: u32) -> bool {
    let Some(entry) = FLOWS.get_ptr_mut(key) else { return false };
    // SAFETY: a value of the map; a word of it may be written by several processors at once, each
    // with the time of now.
    let Some(entry) = (unsafe { entry.as_mut() }) else { return false };
    if !entry.is_live(now_ns) {
        return false;
    }
    if entry.opened == opened::OUTBOUND
        && by != 0
        && (entry.by != by || !has_kept_its_rule(by - 1, entry.generation))
    {
        return false;
    }
    let expires_ns = now_ns + lifetime_ns(key.protocol as u8);
    if entry.expires_ns + PEER_REFRESH_NS < expires_ns {
        entry.expires_ns = expires_ns;
    }
    true
}

/// Writes down what has come: whether it opens a flow. Its network header begins at `base`.
#[inline(always)]
pub(crate) fn note_arrived(ctx: &SkBuffContext, base: u32, packet: &Packet, now_ns: u64) {
    if packet.piece == Piece::LATER {
        return;
    }
    let mut key = FlowKey::of_arrived(packet);
    let mut is_opening = true;
    let at = base + packet.transport;
    if packet.protocol == protocol::TCP {
        let Ok(flags) = ctx.load::<u8>((at + 13) as usize) else { return };
        is_opening = flags & (SYN | ACK) == SYN;
    } else if is_icmp(packet) {
        let request = if packet.is_v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
        if packet.destination_port != request {
            return;
        }
        let Some(identifier) = identifier(ctx, at) else { return };
        key = key.of_echo(identifier);
    } else if packet.protocol == protocol::IGMP {
        return;
    }
    if refresh(&key, now_ns, 0) || !is_opening {
        return;
    }
    let entry = FlowEntry {
        expires_ns: now_ns + lifetime_ns(packet.protocol),
        generation: 0,
        opened: opened::INBOUND,
        by: 0,
    };
    // A failed insert is an allocation failure: the reply is judged by the policy.
    let _: Result<(), i32> = FLOWS.insert(&key, &entry, 0);
}
