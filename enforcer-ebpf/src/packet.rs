//! A socket buffer as bytes: the only file that reads packet memory.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::packet::Bytes;

/// The loopback device has this index in every network namespace
/// (`LOOPBACK_IFINDEX`, include/net/flow.h, 6.18).
const LOOPBACK_IFINDEX: u32 = 1;

/// The sign of a boot time: zero for the first 292 years, and the verifier cannot know.
#[inline(always)]
pub(crate) const fn nothing(now_ns: u64) -> u32 {
    (now_ns as i64 >> 63) as u32
}

/// The packet of a `cgroup_skb` program: its bytes begin at the network header.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    ctx: &'a SkBuffContext,
    nothing: u32,
}

impl<'a> Buffer<'a> {
    #[inline(always)]
    pub(crate) const fn new(ctx: &'a SkBuffContext, now_ns: u64) -> Self {
        Self { ctx, nothing: nothing(now_ns) }
    }

    /// Zero, which the verifier cannot know.
    #[inline(always)]
    pub(crate) const fn nothing(self) -> u32 {
        self.nothing
    }

    /// Whether it leaves or has come by the loopback device.
    #[inline(always)]
    pub(crate) fn is_loopback(self) -> bool {
        is_loopback(self.ctx)
    }

    /// Packets on the wire.
    #[inline(always)]
    pub(crate) fn packets(self) -> u64 {
        packets(self.ctx)
    }
}

/// The device that a packet leaves or has come by.
#[inline(always)]
pub(crate) fn ifindex(ctx: &SkBuffContext) -> u32 {
    // SAFETY: the kernel hands the program a valid context, and `ifindex` is readable in it.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// Whether that is the loopback device.
#[inline(always)]
pub(crate) fn is_loopback(ctx: &SkBuffContext) -> bool {
    ifindex(ctx) == LOOPBACK_IFINDEX
}

/// Packets on the wire: a GSO packet is cut into segments below every hook.
#[inline(always)]
pub(crate) fn packets(ctx: &SkBuffContext) -> u64 {
    // SAFETY: the kernel hands the program a valid context, and `gso_segs` is readable in it.
    let segments = unsafe { (*ctx.skb.skb).gso_segs };
    if segments == 0 { 1 } else { u64::from(segments) }
}

impl Bytes for Buffer<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.ctx.len()
    }

    #[inline(always)]
    fn ethertype(&self) -> u16 {
        // SAFETY: the kernel hands the program a valid context, and `protocol` is readable in it.
        let protocol = unsafe { (*self.ctx.skb.skb).protocol };
        u16::from_be(protocol as u16)
    }

    #[inline(always)]
    fn byte(&self, offset: u32) -> Option<u8> {
        self.ctx.load::<u8>(offset as usize).ok()
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.ctx.load::<[u32; N]>(offset as usize).ok()
    }

    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        value ^ self.nothing
    }
}
