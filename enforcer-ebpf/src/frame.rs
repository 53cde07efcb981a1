//! A packet at TC: in front of it is the header of its link, where that has one.

use aya_ebpf::{btf_maps::HashMap, macros::btf_map, programs::SkBuffContext};
use enforcer_common::{
    packet::{Bytes, ethertype},
    uplink::{ETHERNET_HEADER_BYTES, MAX_UPLINKS, Uplink},
};

use crate::packet::nothing;

/// What is attached to at TC; the agent writes it.
#[btf_map]
static UPLINKS: HashMap<u32, Uplink, { MAX_UPLINKS as usize }> = HashMap::new();

/// Offset of the type in an Ethernet header.
const ETHERNET_TYPE: u32 = 12;
/// Tags of IEEE 802.1Q and 802.1ad, and an older one: four bytes each, in front of the type.
const VLAN: u32 = 0x8100;
const SERVICE_VLAN: u32 = 0x88a8;
const OLD_SERVICE_VLAN: u32 = 0x9100;
const MAX_TAGS: u32 = 2;
const TAG_BYTES: u32 = 4;
/// PPP over Ethernet (RFC 2516): what is in a session is judged, the rest keeps up the line.
const PPP_DISCOVERY: u32 = 0x8863;
const PPP_SESSION: u32 = 0x8864;
const PPP_HEADER_BYTES: u32 = 8;
const PPP_IPV4: u32 = 0x0021;
const PPP_IPV6: u32 = 0x0057;
/// Port authentication (IEEE 802.1X), which a wireless station sends to its access point.
const PORT_AUTHENTICATION: u32 = 0x888e;
/// No network header begins behind it.
const MAX_BASE: u32 = 0x1f;

/// Whether a device, by its index, is an uplink.
#[inline(always)]
pub(crate) fn is_uplink(ifindex: u32) -> bool {
    UPLINKS.get_ptr(ifindex).is_some()
}

/// Where the network header of a frame begins, and what it is: the frame says so itself. What the
/// kernel notes beside it (`skb->protocol`) is for whoever sends by a packet socket to choose.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Offset of the network header.
    pub(crate) base: u32,
    /// The type, in host order; 0: none.
    pub(crate) ethertype: u32,
    /// Whether there is an Ethernet header.
    pub(crate) is_ethernet: u32,
}

impl Link {
    /// Of nothing.
    pub(crate) const UNKNOWN: Self = Self { base: 0, ethertype: 0, is_ethernet: 0 };

    /// Of a frame; `None` on a device that is none of the uplinks.
    #[inline(always)]
    pub(crate) fn find(ctx: &SkBuffContext, now_ns: u64) -> Option<Self> {
        // SAFETY: the kernel hands the program a valid context, and `ifindex` is readable in it.
        let ifindex = unsafe { (*ctx.skb.skb).ifindex };
        // SAFETY: a word is read of an entry that the agent alone writes, before it attaches.
        let uplink = unsafe { UPLINKS.get(ifindex) }?;
        let (base, ethertype) = if uplink.header_bytes == ETHERNET_HEADER_BYTES {
            behind_ethernet(ctx)
        } else {
            (0, by_version(ctx))
        };
        let nothing = nothing(now_ns);
        Some(Self {
            base: (base ^ nothing) & MAX_BASE,
            ethertype: (ethertype ^ nothing) & 0xffff,
            is_ethernet: u32::from(uplink.header_bytes == ETHERNET_HEADER_BYTES) ^ nothing,
        })
    }

    /// Whether it is for the neighbour at the end of the cable: by its type, or since no bridge
    /// forwards frames to 01:80:c2:00:00:00 to 0f (IEEE 802.1D, table 7-10). Of what is no IP.
    #[inline(always)]
    pub(crate) fn is_link_control(self, ctx: &SkBuffContext) -> bool {
        if self.is_ethernet == 0 {
            return false;
        }
        if matches!(self.ethertype, PPP_DISCOVERY | PPP_SESSION | PORT_AUTHENTICATION) {
            return true;
        }
        match ctx.load::<[u8; 6]>(0) {
            Ok([0x01, 0x80, 0xc2, 0, 0, last]) => last & 0xf0 == 0,
            _ => false,
        }
    }
}

#[inline(always)]
fn behind_ethernet(ctx: &SkBuffContext) -> (u32, u32) {
    let mut at = ETHERNET_TYPE;
    let mut ethertype = half(ctx, at);
    for _ in 0..MAX_TAGS {
        if ethertype != VLAN && ethertype != SERVICE_VLAN && ethertype != OLD_SERVICE_VLAN {
            break;
        }
        at += TAG_BYTES;
        ethertype = half(ctx, at);
    }
    if ethertype == PPP_SESSION {
        match half(ctx, at + PPP_HEADER_BYTES) {
            PPP_IPV4 => return (at + 2 + PPP_HEADER_BYTES, u32::from(ethertype::IPV4)),
            PPP_IPV6 => return (at + 2 + PPP_HEADER_BYTES, u32::from(ethertype::IPV6)),
            _ => {}
        }
    }
    (at + 2, ethertype)
}

/// Of a device that carries bare packets.
#[inline(always)]
fn by_version(ctx: &SkBuffContext) -> u32 {
    match ctx.load::<u8>(0).map(|first| first >> 4) {
        Ok(4) => u32::from(ethertype::IPV4),
        Ok(6) => u32::from(ethertype::IPV6),
        _ => 0,
    }
}

#[inline(always)]
fn half(ctx: &SkBuffContext, at: u32) -> u32 {
    ctx.load::<u16>(at as usize).map_or(0, |half| u32::from(u16::from_be(half)))
}

/// The packet in a frame, from its network header on.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    ctx: &'a SkBuffContext,
    link: Link,
    nothing: u32,
}

impl<'a> Frame<'a> {
    #[inline(always)]
    pub(crate) const fn new(ctx: &'a SkBuffContext, link: Link, now_ns: u64) -> Self {
        Self { ctx, link, nothing: nothing(now_ns) }
    }
}

impl Bytes for Frame<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.ctx.len().saturating_sub(self.link.base)
    }

    #[inline(always)]
    fn ethertype(&self) -> u16 {
        self.link.ethertype as u16
    }

    #[inline(always)]
    fn byte(&self, offset: u32) -> Option<u8> {
        self.ctx.load::<u8>((self.link.base + offset) as usize).ok()
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.ctx.load::<[u32; N]>((self.link.base + offset) as usize).ok()
    }

    #[inline(always)]
    fn forget(&self, value: u32) -> u32 {
        value ^ self.nothing
    }
}
