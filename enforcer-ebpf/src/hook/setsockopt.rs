//! `setsockopt`: refuses the two options by which a socket sends past every hook that sees packets.
//!
//! Neither the option of packet sockets nor the family `AF_XDP` has a packet that a program at TC
//! or at a cgroup would see (measured from 5.10 to 7.3). What was set before the hooks were there
//! stays.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SockoptContext};
use enforcer_common::{
    decide::Decision,
    settings::flag,
    verdict::{Reason, Verdict},
};

use crate::{
    count::{self, Amount},
    tables::settings_in_force,
    verdict,
};

/// Levels and options (include/linux/socket.h, include/uapi/linux/if_packet.h, 6.18).
const SOL_PACKET: i32 = 263;
const PACKET_QDISC_BYPASS: i32 = 20;
const SOL_XDP: i32 = 283;
/// A longer value than this is not copied for programs (`BPF_SOCKOPT_KERN_BUF_SIZE` and a page,
/// kernel/bpf/cgroup.c), and the call fails with EFAULT unless the program lets go of it.
const MAX_COPIED: i32 = 4_096;

#[inline(always)]
pub(crate) fn judge(ctx: &SockoptContext) -> i32 {
    // SAFETY: the kernel hands the program a valid context.
    let level = unsafe { (*ctx.sockopt).level };
    // SAFETY: as above.
    let name = unsafe { (*ctx.sockopt).optname };
    let (reason, allowed) = if level == SOL_PACKET && name == PACKET_QDISC_BYPASS {
        if is_zero(ctx) {
            return pass(ctx);
        }
        (Reason::QdiscBypass, flag::ALLOW_QDISC_BYPASS)
    } else if level == SOL_XDP {
        (Reason::AfXdp, flag::ALLOW_AF_XDP)
    } else {
        return pass(ctx);
    };
    let settings = settings_in_force();
    if settings.is_some_and(|settings| settings.has(allowed)) {
        return pass(ctx);
    }
    let decision = Decision::drop(if settings.is_some() { reason } else { Reason::NotReady });
    // SAFETY: the helper takes nothing.
    let amount = Amount { packets: 1, bytes: 0, now_ns: unsafe { bpf_ktime_get_boot_ns() } };
    count::decision(&decision, false, &amount);
    if settings.is_some_and(|settings| settings.has(flag::AUDIT)) {
        return pass(ctx);
    }
    verdict::sockopt(decision.verdict)
}

/// Lets a call go on, with the value that it came with.
#[inline(always)]
fn pass(ctx: &SockoptContext) -> i32 {
    // SAFETY: the kernel hands the program a valid context.
    if unsafe { (*ctx.sockopt).optlen } > MAX_COPIED {
        // SAFETY: the field may be written (`cg_sockopt_is_valid_access`, kernel/bpf/cgroup.c).
        unsafe { (*ctx.sockopt).optlen = 0 };
    }
    verdict::sockopt(Verdict::Allow)
}

/// Whether the value switches the option off; one that cannot be read does not.
#[inline(always)]
fn is_zero(ctx: &SockoptContext) -> bool {
    // SAFETY: the kernel hands the program a valid context.
    let value = unsafe { (*ctx.sockopt).__bindgen_anon_2.optval }.cast::<u32>();
    // SAFETY: as above.
    let end = unsafe { (*ctx.sockopt).__bindgen_anon_3.optval_end }.cast::<u32>();
    if value.wrapping_add(1) > end {
        return false;
    }
    // SAFETY: the value ends before `end`, as was just seen.
    unsafe { core::ptr::read_unaligned(value) == 0 }
}
