//! From a verdict to what each kind of program returns; the only place that knows.

use enforcer_common::verdict::Verdict;

/// `cgroup_skb`: 1 passes, 0 drops; on egress the sender has EPERM
/// (kernel/bpf/cgroup.c, `__cgroup_bpf_run_filter_skb`).
#[inline(always)]
pub(crate) const fn cgroup_skb(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 0,
    }
}

/// `cgroup_sock_addr`: 1 goes on, 0 gives the caller EPERM
/// (kernel/bpf/cgroup.c, `__cgroup_bpf_run_filter_sock_addr`).
#[inline(always)]
pub(crate) const fn sock_addr(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 0,
    }
}

/// `cgroup_sock`: 1 makes the socket, 0 gives the caller EPERM
/// (kernel/bpf/cgroup.c, `__cgroup_bpf_run_filter_sk`).
#[inline(always)]
pub(crate) const fn sock(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 0,
    }
}

/// `cgroup_sockopt`: 1 goes on, 0 gives the caller EPERM
/// (kernel/bpf/cgroup.c, `__cgroup_bpf_run_filter_setsockopt`).
#[inline(always)]
pub(crate) const fn sockopt(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 0,
    }
}

/// `sched_cls`, by link or by filter: -1 leaves the packet to whoever comes next, 2 drops it
/// (`tcx_action_base` and `TC_ACT_*`, include/uapi/linux/{bpf,pkt_cls}.h, 6.18).
#[inline(always)]
pub(crate) const fn classifier(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => -1,
        Verdict::Deny => 2,
    }
}
