//! `sendmsg` of a datagram with a destination of its own: what is asked for is noted. Whether it
//! leaves is for egress to say.

use aya_ebpf::programs::SockAddrContext;
use enforcer_common::address::Address;

use super::connect::{destination_v4, destination_v6, port_be};
use crate::socket;

#[inline(always)]
pub(crate) fn note_v4(ctx: &SockAddrContext) {
    note(ctx, destination_v4(ctx));
}

#[inline(always)]
pub(crate) fn note_v6(ctx: &SockAddrContext) {
    note(ctx, destination_v6(ctx));
}

#[inline(always)]
fn note(ctx: &SockAddrContext, destination: Address) {
    // The namespace is of no use here.
    let _: u64 = socket::note_asked(ctx, destination, port_be(ctx));
}
