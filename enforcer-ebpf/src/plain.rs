//! Headers without options, read where they lie: no helper is called.
//!
//! What has any other form is for `packet` and `frame` to read.

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::{
    address::Address,
    packet::{Bytes, Packet, ethertype, protocol},
    repeat::{Plain, V4_HEADER_BYTES, V6_HEADER_BYTES},
    verdict::Reason,
};

use crate::packet::is_loopback;

/// Version 4 and five words (RFC 791, 3.1).
const V4_WITHOUT_OPTIONS: u8 = 0x45;
const V6: u8 = 6;
/// The only bit that a whole datagram may have set beside its offset of zero.
const DO_NOT_FRAGMENT: u16 = 0x4000;
/// Both ports, and what is left of the shortest header behind them.
const PORTS_BYTES: u32 = 8;

/// Reads the headers that begin at `base`; `None` where they are not plain.
///
/// Of what has no ports the first four bytes behind the header stand in their place.
#[inline(always)]
pub(crate) fn read(ctx: &SkBuffContext, base: u32) -> Option<Plain> {
    // SAFETY: the kernel hands the program a valid context.
    let (data, end) = unsafe { ((*ctx.skb.skb).data as usize, (*ctx.skb.skb).data_end as usize) };
    let at = data + base as usize;
    if at + (V4_HEADER_BYTES + PORTS_BYTES) as usize > end {
        return None;
    }
    // SAFETY: bytes up to the end of the shortest header are there, here and in what follows.
    let first = unsafe { load::<u8>(at) };
    let is_loopback = is_loopback(ctx);
    if first == V4_WITHOUT_OPTIONS {
        // SAFETY: as above.
        let total = u16::from_be(unsafe { load::<u16>(at + 2) });
        // 0 stands for a packet over 65,535 bytes (BIG TCP, 6.3+).
        if total != 0 && u32::from(total) < V4_HEADER_BYTES {
            return None;
        }
        // SAFETY: as above.
        let fragment = unsafe { load::<u16>(at + 6) };
        if fragment & !DO_NOT_FRAGMENT.to_be() != 0 {
            return None;
        }
        // SAFETY: as above.
        let protocol = unsafe { load::<u8>(at + 9) };
        // SAFETY: as above.
        let (source, destination) = unsafe { (load::<u32>(at + 12), load::<u32>(at + 16)) };
        return Some(Plain {
            source: Address::from_v4_word(source).words(),
            destination: Address::from_v4_word(destination).words(),
            // SAFETY: as above.
            ports: unsafe { load::<u32>(at + V4_HEADER_BYTES as usize) },
            form: Plain::form(u32::from(protocol), false, is_loopback),
        });
    }
    if first >> 4 != V6 || at + (V6_HEADER_BYTES + PORTS_BYTES) as usize > end {
        return None;
    }
    // SAFETY: bytes up to the end of the shortest header are there, here and in what follows.
    let protocol = unsafe { load::<u8>(at + 6) };
    if protocol != protocol::TCP && protocol != protocol::UDP {
        return None;
    }
    Some(Plain {
        // SAFETY: as above.
        source: unsafe { words(at + 8) },
        // SAFETY: as above.
        destination: unsafe { words(at + 24) },
        // SAFETY: as above.
        ports: unsafe { load::<u32>(at + V6_HEADER_BYTES as usize) },
        form: Plain::form(u32::from(protocol), true, is_loopback),
    })
}

/// Reads a packet, of whatever form: where its headers are plain, without a call.
///
/// # Errors
///
/// As [`Packet::parse`].
#[inline(always)]
pub(crate) fn parse(
    ctx: &SkBuffContext,
    base: u32,
    nothing: u32,
    bytes: &impl Bytes,
) -> Result<Packet, Reason> {
    if let Some(plain) = read(ctx, base)
        && plain.is_whole(bytes.length())
        && plain.is_v6() == (bytes.ethertype() == ethertype::IPV6)
        && plain.is_v6() != (bytes.ethertype() == ethertype::IPV4)
    {
        return Ok(plain.packet(bytes.length(), nothing));
    }
    Packet::parse(bytes)
}

/// Four words.
///
/// # Safety
///
/// As [`load`], for all of them.
#[inline(always)]
unsafe fn words(at: usize) -> [u32; 4] {
    // SAFETY: the caller's.
    unsafe { [load(at), load(at + 4), load(at + 8), load(at + 12)] }
}

/// A value of the packet. Volatile, so that it is loaded as a whole: a machine whose loads have to
/// be aligned does not get past the verifier.
///
/// # Safety
///
/// The packet has as many bytes there.
#[inline(always)]
unsafe fn load<T: Copy>(at: usize) -> T {
    // SAFETY: the caller's.
    unsafe { core::ptr::read_volatile(at as *const T) }
}
