//! The kernel programs of enforcer: the hooks, by attach point.
//!
//! A hook parses, asks for a verdict and converts it to a return code; everything it calls is
//! either plain data work in `enforcer-common` or a map access in `tables` and `count`.
//!
//! | program | attach point | first kernel |
//! |---|---|---|
//! | `egress_skb` | cgroup, `BPF_CGROUP_INET_EGRESS` | 5.10 |
//! | `ingress_skb` | cgroup, `BPF_CGROUP_INET_INGRESS` | 5.10 |
//! | `connect4`, `connect6` | cgroup, `BPF_CGROUP_INET4_CONNECT`, `..INET6..` | 5.10 |
//! | `sendmsg4`, `sendmsg6` | cgroup, `BPF_CGROUP_UDP4_SENDMSG`, `..UDP6..` | 5.10 |
//! | `sock_create` | cgroup, `BPF_CGROUP_INET_SOCK_CREATE` | 5.10 |
//! | `setsockopt` | cgroup, `BPF_CGROUP_SETSOCKOPT` | 5.10 |
//! | `tc_egress`, `tc_ingress` | uplinks, tcx or `clsact` | 5.10 |
//! | `write_address` | none: run by the agent | 5.10 |
#![no_std]
#![no_main]

mod answer;
mod ask;
mod asked;
mod count;
mod evidence;
mod flow;
mod frame;
mod handover;
mod hook;
mod inherited;
mod learned;
mod measure;
mod names;
mod packet;
mod passed;
mod plain;
mod reject;
mod repeat;
mod scratch;
mod seen;
mod socket;
mod tables;
mod verdict;
mod wire;
mod zero;

use aya_ebpf::{
    macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr, cgroup_sockopt, classifier},
    programs::{SkBuffContext, SockAddrContext, SockContext, SockoptContext, TcContext},
};
use enforcer_common::verdict::Verdict;

/// Judges each packet that a socket below the cgroup sends.
///
/// # Minimum kernel version
///
/// 5.8 (`bpf_ktime_get_boot_ns`); 5.10 is the oldest that is tested.
#[cgroup_skb(egress)]
fn egress_skb(ctx: SkBuffContext) -> i32 {
    hook::egress::judge(&ctx)
}

/// Refuses an IPv4 TCP `connect` that egress would refuse.
///
/// # Minimum kernel version
///
/// 5.8 (socket storage in `sock_addr` programs); 5.10 is the oldest that is tested.
#[cgroup_sock_addr(connect4)]
fn connect4(ctx: SockAddrContext) -> i32 {
    hook::connect::judge_v4(&ctx)
}

/// Refuses an IPv6 TCP `connect` that egress would refuse.
///
/// # Minimum kernel version
///
/// As [`connect4`].
#[cgroup_sock_addr(connect6)]
fn connect6(ctx: SockAddrContext) -> i32 {
    hook::connect::judge_v6(&ctx)
}

/// Learns the addresses of allowed names from the answers of trusted resolvers, before the
/// sockets that asked see them. Every packet passes.
///
/// # Minimum kernel version
///
/// 5.8 (`bpf_ktime_get_boot_ns`, ring buffers); 5.10 is the oldest that is tested.
#[cgroup_skb(ingress)]
fn ingress_skb(ctx: SkBuffContext) -> i32 {
    verdict::cgroup_skb(hook::ingress::learn(&ctx))
}

/// Notes to whom an IPv4 datagram is sent. Every call goes on.
///
/// # Minimum kernel version
///
/// As [`connect4`].
#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(ctx: SockAddrContext) -> i32 {
    hook::sendmsg::note_v4(&ctx);
    verdict::sock_addr(Verdict::Allow)
}

/// Notes to whom an IPv6 datagram is sent. Every call goes on.
///
/// # Minimum kernel version
///
/// As [`connect4`].
#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(ctx: SockAddrContext) -> i32 {
    hook::sendmsg::note_v6(&ctx);
    verdict::sock_addr(Verdict::Allow)
}

/// Notes in which network namespace a socket is made. Every socket may be.
///
/// # Minimum kernel version
///
/// 5.9 (socket storage in `sock` programs); 5.10 is the oldest that is tested.
#[cgroup_sock(sock_create)]
fn sock_create(ctx: SockContext) -> i32 {
    socket::note_created(&ctx);
    verdict::sock(Verdict::Allow)
}

/// Refuses the options by which a socket would send past every other program here.
///
/// # Minimum kernel version
///
/// 5.8 (`bpf_ktime_get_boot_ns`); 5.10 is the oldest that is tested.
#[cgroup_sockopt(setsockopt)]
fn setsockopt(ctx: SockoptContext) -> i32 {
    hook::setsockopt::judge(&ctx)
}

/// Judges each frame that leaves by an uplink and is not one that a socket hook has let pass.
///
/// # Minimum kernel version
///
/// 5.8 (`bpf_ktime_get_boot_ns`); 5.10 is the oldest that is tested.
#[classifier]
fn tc_egress(ctx: TcContext) -> i32 {
    hook::tc_egress::judge(&SkBuffContext::new(ctx.skb.skb))
}

/// Notes which flows are opened from outside. Every frame passes.
///
/// # Minimum kernel version
///
/// As [`tc_egress`].
#[classifier]
fn tc_ingress(ctx: TcContext) -> i32 {
    hook::tc_ingress::note(&SkBuffContext::new(ctx.skb.skb));
    verdict::classifier(Verdict::Allow)
}

/// Changes what is learned of an address, as the agent asks; attached nowhere.
///
/// # Minimum kernel version
///
/// As [`egress_skb`].
#[cgroup_skb(egress)]
fn write_address(ctx: SkBuffContext) -> i32 {
    hook::write::write(&ctx) as i32
}

/// Both are true of this package; the kernel lends the helpers in use only to GPL programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// A panic that can be reached is an endless loop, which the verifier refuses to load.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
