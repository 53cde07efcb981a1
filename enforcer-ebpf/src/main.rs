//! The kernel programs of enforcer: the hooks, by attach point.
//!
//! A hook parses, asks for a verdict and converts it to a return code; everything it calls is
//! either plain data work in `enforcer-common` or a map access in `tables` and `count`.
//!
//! | program | attach point | first kernel |
//! |---|---|---|
//! | `egress_skb` | cgroup, `BPF_CGROUP_INET_EGRESS` | 5.10 |
//! | `connect4` | cgroup, `BPF_CGROUP_INET4_CONNECT` | 5.10 |
//! | `connect6` | cgroup, `BPF_CGROUP_INET6_CONNECT` | 5.10 |
#![no_std]
#![no_main]

mod count;
mod evidence;
mod hook;
mod packet;
mod tables;
mod verdict;

use aya_ebpf::{
    macros::{cgroup_skb, cgroup_sock_addr},
    programs::{SkBuffContext, SockAddrContext},
};

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
