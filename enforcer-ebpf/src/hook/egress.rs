//! `cgroup_skb` egress: parse, decide, count, tell.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    decide::{Decision, Tables as _, decide},
    fragment::{FragmentEntry, LIFETIME_NS},
    packet::{Bytes as _, Packet, Piece, ethertype, protocol},
    settings::{Settings, flag},
    verdict::Verdict,
};

use crate::{
    count::{self, Amount},
    evidence,
    packet::Buffer,
    tables::Maps,
    verdict,
};

#[inline(always)]
pub(crate) fn judge(ctx: &SkBuffContext) -> i32 {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let maps = Maps::of_packet(ctx);
    let decision = match Packet::parse(&buffer) {
        Ok(packet) => {
            let decision = decide(&maps, &packet, buffer.is_loopback(), now_ns);
            if let Some(settings) = maps.settings() {
                follow_up(ctx, &maps, settings, &packet, &decision, now_ns);
            }
            decision
        }
        Err(reason) => Decision::drop(reason),
    };
    let amount = Amount { packets: buffer.packets(), bytes: u64::from(buffer.length()), now_ns };
    count::decision(&decision, buffer.ethertype() == ethertype::IPV6, &amount);

    if maps.settings().is_some_and(|settings| settings.has(flag::AUDIT)) {
        return verdict::cgroup_skb(Verdict::Allow);
    }
    verdict::cgroup_skb(decision.verdict)
}

/// What later packets and calls need to know of this one.
#[inline(always)]
fn follow_up(
    ctx: &SkBuffContext,
    maps: &Maps<'_>,
    settings: &Settings,
    packet: &Packet,
    decision: &Decision,
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
            evidence::note_refused(ctx, settings, packet, now_ns);
        }
        Verdict::Allow | Verdict::Deny => {}
    }
}
