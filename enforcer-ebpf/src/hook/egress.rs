//! `cgroup_skb` egress: parse, decide, count, tell.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    decide::{Decision, Tables as _, decide},
    fragment::{FragmentEntry, LIFETIME_NS},
    learned::AddressKey,
    measure,
    packet::{Bytes as _, Packet, Piece, ethertype, protocol},
    settings::{Settings, flag},
    socket::SocketNote,
    verdict::{Reason, Verdict},
};

use crate::{
    ask::{self, Asked},
    count::{self, Amount},
    evidence, learned,
    measure::is_in_force,
    packet::Buffer,
    socket::Socket,
    tables::Maps,
    verdict,
    zero::Zero,
};

#[inline(always)]
pub(crate) fn judge(ctx: &SkBuffContext) -> i32 {
    let mut asked = Asked::NOTHING;
    let code = judge_packet(ctx, &mut asked);
    if asked.resolver == 0 {
        return code;
    }
    ask::note(ctx, &asked);
    verdict::cgroup_skb(Verdict::Allow)
}

/// Judges a packet; one that passes and is for a trusted resolver is written to `asked`.
#[inline(never)]
fn judge_packet(ctx: &SkBuffContext, asked: &mut Asked) -> i32 {
    // Always there: see `Zero::find`.
    let Some(zero) = Zero::find() else { return verdict::cgroup_skb(Verdict::Deny) };
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let socket = Socket::of_packet(ctx);
    let note = socket.and_then(Socket::note);
    let note = note.as_ref();
    let mut maps = Maps::of_packet(ctx, note, buffer.nothing());
    let is_audit = maps.settings().is_some_and(|settings| settings.has(flag::AUDIT));
    let decision = match Packet::parse(&buffer) {
        Ok(packet) if maps.is_forged(&packet, socket) => Decision::drop(Reason::ForgedResolver),
        Ok(packet) => {
            let resolver = maps.find_resolver(&packet, socket, note);
            let decision = decide(&maps, &packet, buffer.is_loopback(), now_ns);
            if let Some(settings) = maps.settings() {
                follow_up(&maps, settings, note, &packet, &decision, buffer, now_ns);
            }
            let is_passing = decision.verdict == Verdict::Allow || is_audit;
            if resolver != 0 && is_passing && packet.piece != Piece::LATER {
                let is_loopback = buffer.is_loopback() && is_in_force(measure::PATH);
                let is_tcp = packet.protocol == protocol::TCP;
                asked.write(zero, resolver, &packet, [is_tcp, is_loopback], now_ns);
            }
            decision
        }
        Err(reason) => Decision::drop(reason),
    };
    let amount = Amount { packets: buffer.packets(), bytes: u64::from(buffer.length()), now_ns };
    count::decision(&decision, buffer.ethertype() == ethertype::IPV6, &amount);
    verdict::cgroup_skb(if is_audit { Verdict::Allow } else { decision.verdict })
}

/// What later packets and calls need to know of this one.
#[inline(always)]
fn follow_up(
    maps: &Maps<'_>,
    settings: &Settings,
    note: Option<&SocketNote>,
    packet: &Packet,
    decision: &Decision,
    buffer: Buffer<'_>,
    now_ns: u64,
) {
    match decision.verdict {
        Verdict::Allow if packet.piece == Piece::FIRST => {
            let entry = FragmentEntry {
                generation: settings.generation,
                expires_ns: now_ns + LIFETIME_NS,
                by: decision.by.bits(),
                padding: 0,
            };
            maps.remember_fragment(&packet.fragment_key(), &entry);
        }
        Verdict::Deny if packet.protocol == protocol::TCP => {
            evidence::note_refused(note, settings, packet, now_ns);
        }
        Verdict::Allow | Verdict::Deny => {}
    }
    if decision.verdict == Verdict::Allow && decision.reason == Reason::Rule {
        let packets = buffer.packets();
        learned::note_use(&AddressKey::everywhere(packet.destination), packets, now_ns);
        let here = maps.key_here(packet.destination);
        if here.namespace != 0 {
            learned::note_use(&here, packets, now_ns);
        }
    }
}
