//! `connect`: an immediate EPERM for TCP where egress would certainly refuse.
//!
//! Certain means: no rule for any workload allows the destination, and either the policy states
//! which destinations are translated and this is none of them, or egress has refused this very
//! destination before. A destination that a local socket listens on may be the node itself, which
//! egress lets pass over loopback. A UDP `connect` sends nothing and is never refused:
//! `getaddrinfo` uses it to sort addresses (RFC 6724).

use aya_ebpf::{
    bindings::{
        bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2,
    },
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_sk_release, bpf_skc_lookup_tcp},
    programs::SockAddrContext,
};
use enforcer_common::{
    address::Address,
    decide::{Tables as _, would_refuse},
    packet::protocol,
    settings::flag,
    verdict::Verdict,
};

use crate::{
    count::{self, Amount},
    evidence, socket,
    tables::Maps,
    verdict,
};

/// The namespace of the caller (include/uapi/linux/bpf.h); -1 in a 64-bit argument.
const BPF_F_CURRENT_NETNS: u64 = u64::MAX;
const SOCK_STREAM: u32 = 1;
const IPPROTO_TCP: u32 = 6;
/// Multipath TCP is TCP on the wire (`IPPROTO_MPTCP`, include/uapi/linux/in.h).
const IPPROTO_MPTCP: u32 = 262;

#[inline(always)]
pub(crate) fn judge_v4(ctx: &SockAddrContext) -> i32 {
    judge(ctx, destination_v4(ctx))
}

#[inline(always)]
pub(crate) fn judge_v6(ctx: &SockAddrContext) -> i32 {
    judge(ctx, destination_v6(ctx))
}

/// The IPv4 address that a call names.
#[inline(always)]
pub(super) fn destination_v4(ctx: &SockAddrContext) -> Address {
    // SAFETY: the kernel hands the program a valid context.
    let address = unsafe { (*ctx.sock_addr).user_ip4 };
    Address::from_v4(address.to_ne_bytes())
}

/// The IPv6 address that a call names.
#[inline(always)]
pub(super) fn destination_v6(ctx: &SockAddrContext) -> Address {
    // SAFETY: the kernel hands the program a valid context.
    let first = unsafe { (*ctx.sock_addr).user_ip6[0] };
    // SAFETY: as above.
    let second = unsafe { (*ctx.sock_addr).user_ip6[1] };
    // SAFETY: as above.
    let third = unsafe { (*ctx.sock_addr).user_ip6[2] };
    // SAFETY: as above.
    let fourth = unsafe { (*ctx.sock_addr).user_ip6[3] };
    Address::from_words([first, second, third, fourth])
}

/// The port that a call names, in network order.
#[inline(always)]
pub(super) fn port_be(ctx: &SockAddrContext) -> [u8; 2] {
    // SAFETY: the kernel hands the program a valid context.
    (unsafe { (*ctx.sock_addr).user_port } as u16).to_ne_bytes()
}

#[inline(always)]
fn judge(ctx: &SockAddrContext, destination: Address) -> i32 {
    let port_be = port_be(ctx);
    let namespace = socket::note_asked(ctx, destination, port_be);
    if !is_tcp(ctx) {
        return verdict::sock_addr(Verdict::Allow);
    }
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let maps = Maps::of_call(namespace, now_ns);
    let key = evidence::key(namespace, destination, port_be);
    let Some(settings) = maps.settings() else { return verdict::sock_addr(Verdict::Allow) };
    if settings.has(flag::AUDIT) {
        return verdict::sock_addr(Verdict::Allow);
    }
    let is_untranslated = settings.has(flag::VIRTUAL_STATED) && !maps.is_virtual(&destination);
    if !is_untranslated && !evidence::was_refused(settings, &key, now_ns) {
        return verdict::sock_addr(Verdict::Allow);
    }
    let port = bounded(u16::from_be_bytes(port_be));
    let Some(decision) = would_refuse(&maps, &destination, protocol::TCP, port, now_ns) else {
        return verdict::sock_addr(Verdict::Allow);
    };
    if destination.is_this_host() || is_listened_on(ctx, &destination, port_be) {
        return verdict::sock_addr(Verdict::Allow);
    }
    let amount = Amount { packets: 1, bytes: 0, now_ns };
    count::decision(&decision, !destination.is_v4(), &amount);
    verdict::sock_addr(decision.verdict)
}

/// The same port, as one that the verifier knows to have 16 bits.
///
/// Kernels before 7.2, 6.18.15 among them, take what a byte swap leaves for any number (`BPF_END`,
/// kernel/bpf/verifier.c) and refuse it as an index. The compiler knows better and drops a mask;
/// it must not know where the number comes from.
#[inline(always)]
fn bounded(port: u16) -> u16 {
    core::hint::black_box(u32::from(port)) as u16
}

#[inline(always)]
fn is_tcp(ctx: &SockAddrContext) -> bool {
    // SAFETY: the kernel hands the program a valid context.
    let kind = unsafe { (*ctx.sock_addr).type_ };
    // SAFETY: as above.
    let protocol = unsafe { (*ctx.sock_addr).protocol };
    kind == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP)
}

/// Whether a TCP socket of this namespace would answer at the destination.
#[inline(always)]
fn is_listened_on(ctx: &SockAddrContext, destination: &Address, port_be: [u8; 2]) -> bool {
    let dport = u16::from_ne_bytes(port_be);
    let (mut tuple, size) = if destination.is_v4() {
        let ipv4 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
            saddr: 0,
            daddr: u32::from_ne_bytes(destination.v4_bytes()),
            sport: 0,
            dport,
        };
        (bpf_sock_tuple { __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 { ipv4 } }, 12)
    } else {
        let ipv6 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
            saddr: [0; 4],
            daddr: destination.words(),
            sport: 0,
            dport,
        };
        (bpf_sock_tuple { __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 { ipv6 } }, 36)
    };
    // SAFETY: the tuple outlives the call, and the size is that of the family written above.
    let socket = unsafe {
        bpf_skc_lookup_tcp(ctx.sock_addr.cast(), &raw mut tuple, size, BPF_F_CURRENT_NETNS, 0)
    };
    if socket.is_null() {
        return false;
    }
    // SAFETY: the lookup took a reference, which is given back once.
    unsafe { bpf_sk_release(socket.cast()) };
    true
}
