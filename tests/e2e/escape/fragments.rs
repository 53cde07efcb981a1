//! Pieces of datagrams, and headers between the network's and the transport's.

use std::net::IpAddr;

use enforcer_tests::packet::{extension, protocol};

use super::{
    ground::{ALLOWED_V4, ALLOWED_V6, DATA, Ground, PORT},
    raw::between,
    technique::{Goal, Technique},
};

const ESP: u8 = 50;
const HOST_IDENTITY: u8 = 139;
const UNKNOWN: u8 = 253;
/// As much of a datagram as a piece of it has; a multiple of eight.
const PIECE: [u8; 64] = [7; 64];
/// Where pieces begin.
const MIDDLE: u16 = 72;
const LAST: u16 = 136;
/// Numbers of datagrams. The kernel gives one to a raw packet that has none.
const FIRST_ID: u32 = 101;
const MIDDLE_ID: u32 = 102;
const LAST_ID: u32 = 103;
const OVERLAP_ID: u32 = 104;
const TINY_ID: u32 = 105;
const SHARED_ID: u32 = 106;
const WHOLE_ID: u32 = 107;
const TINY_LAST_ID: u32 = 108;

pub(super) const TECHNIQUES: [Technique; 23] = [
    Technique::now("a first piece", Goal::V4, first),
    Technique::now("a middle piece", Goal::V4, middle).alone(),
    Technique::now("a last piece", Goal::V4, last).alone(),
    Technique::now("all the pieces of a datagram", Goal::V4, whole),
    Technique::now("a piece over the header of the first", Goal::V4, overlapping).alone(),
    Technique::now("a first piece without its ports", Goal::V4, tiny).alone(),
    Technique::now("a last piece of eight bytes", Goal::V4, tiny_last).alone(),
    Technique::now("a piece whose first went to the allowed", Goal::V4, of_the_allowed).alone(),
    Technique::now("a first piece of IPv6", Goal::V6, first),
    Technique::now("a middle piece of IPv6", Goal::V6, middle).alone(),
    Technique::now("all the pieces of a datagram of IPv6", Goal::V6, whole),
    Technique::now("a piece of IPv6 over the header of the first", Goal::V6, overlapping).alone(),
    Technique::now("a first piece of IPv6 without its ports", Goal::V6, tiny).alone(),
    Technique::now("a piece of IPv6 whose first went to the allowed", Goal::V6, of_the_allowed)
        .alone(),
    Technique::now("hop-by-hop options", Goal::V6, |ground, to| {
        behind(ground, to, &[extension::HOP_BY_HOP])
    }),
    Technique::now("destination options", Goal::V6, |ground, to| {
        behind(ground, to, &[extension::DESTINATION_OPTIONS])
    }),
    Technique::now("an authentication header", Goal::V6, |ground, to| {
        behind(ground, to, &[extension::AUTHENTICATION])
    }),
    Technique::now("a mobility header", Goal::V6, |ground, to| {
        behind(ground, to, &[extension::MOBILITY])
    })
    .alone(),
    Technique::now("a host identity header", Goal::V6, |ground, to| {
        behind(ground, to, &[HOST_IDENTITY])
    })
    .alone(),
    Technique::now("a chain of headers", Goal::V6, |ground, to| {
        behind(
            ground,
            to,
            &[
                extension::HOP_BY_HOP,
                extension::DESTINATION_OPTIONS,
                extension::AUTHENTICATION,
                extension::DESTINATION_OPTIONS,
            ],
        )
    }),
    Technique::now("a chain of headers that is too long", Goal::V6, |ground, to| {
        behind(ground, to, &[extension::DESTINATION_OPTIONS; 20])
    })
    .alone(),
    Technique::now("a header that nobody knows", Goal::V6, |ground, to| {
        ground.raw(&between(to).protocol(UNKNOWN).payload(&PIECE).bytes(), to)
    })
    .alone(),
    Technique::now("an encrypted packet of IPv6", Goal::V6, |ground, to| {
        ground.raw(&between(to).protocol(ESP).payload(&PIECE).bytes(), to)
    }),
];

fn first(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    ground.raw(&between(to).udp(PORT).payload(&PIECE).fragment(FIRST_ID, 0, true).bytes(), to)
}

fn later(ground: &Ground<'_>, to: IpAddr, id: u32, at: u16, more: bool) -> anyhow::Result<()> {
    let packet = between(to).protocol(protocol::UDP).payload(&PIECE).fragment(id, at, more);
    ground.raw(&packet.bytes(), to)
}

fn middle(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    later(ground, to, MIDDLE_ID, MIDDLE, true)
}

fn last(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    later(ground, to, LAST_ID, LAST, false)
}

fn whole(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let first = between(to).udp(PORT).payload(&PIECE).fragment(WHOLE_ID, 0, true);
    // What is refused of it does not keep the rest.
    drop(ground.raw(&first.bytes(), to));
    drop(later(ground, to, WHOLE_ID, MIDDLE, true));
    later(ground, to, WHOLE_ID, LAST, false)
}

/// It begins eight bytes into the datagram, where the transport header may go on (RFC 1858).
fn overlapping(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    later(ground, to, OVERLAP_ID, 8, false)
}

/// The first piece ends behind four bytes of the transport header.
fn tiny(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let packet = between(to).protocol(protocol::UDP).payload(&[0, 1, 0, 2]);
    ground.raw(&packet.fragment(TINY_ID, 0, true).bytes(), to)
}

fn tiny_last(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let packet = between(to).protocol(protocol::UDP).payload(&[0; 8]);
    ground.raw(&packet.fragment(TINY_LAST_ID, LAST, false).bytes(), to)
}

/// The first piece, with the same number, is allowed.
fn of_the_allowed(ground: &Ground<'_>, to: IpAddr) -> anyhow::Result<()> {
    let allowed = if to.is_ipv4() { ALLOWED_V4.into() } else { ALLOWED_V6.into() };
    let first = between(allowed).udp(PORT).payload(&PIECE).fragment(SHARED_ID, 0, true);
    ground.raw(&first.bytes(), allowed)?;
    later(ground, to, SHARED_ID, MIDDLE, false)
}

/// A datagram behind extension headers.
fn behind(ground: &Ground<'_>, to: IpAddr, headers: &[u8]) -> anyhow::Result<()> {
    // Padding of as many bytes as there are (RFC 8200, 4.2).
    const PADDING: [u8; 6] = [1, 4, 0, 0, 0, 0];
    let chain = headers.iter().fold(between(to), |packet, kind| packet.extension(*kind, &PADDING));
    ground.raw(&chain.udp(PORT).payload(DATA).bytes(), to)
}
