//! What the kernel programs and the agent agree on.
//!
//! Everything that crosses the boundary between the two is defined here: map names and sizes
//! ([`abi`]), keys and values, the numbered reasons ([`verdict`]), the packet parser ([`packet`])
//! and the decision itself ([`decide`](mod@decide)), which the kernel runs on maps and the agent,
//! `explain` and the tests run on plain collections.
//!
//! Rules of the boundary:
//!
//! - addresses and ports have their bytes in network order, whatever the machine;
//! - masks, counters and times are `u64` in host order: both sides run on one machine;
//! - no `bool`, `Option`, `usize` or enum crosses; padding is a named field and is zero;
//! - a change of any layout here raises [`abi::ABI_VERSION`], which is part of the name of the
//!   folder that maps are pinned in. Numbers of reasons and implicit rules are never reused.
//!
//! The surprising thing: IPv4 addresses are kept IPv4-mapped (`::ffff:a.b.c.d`) in one 16-byte
//! key, which is sound because an IPv6 *packet* to such an address never reaches a table
//! ([`verdict::Reason::MappedAddress`]).
#![no_std]
#![expect(
    clippy::inline_always,
    reason = "in the kernel a call costs a frame of 512 bytes of stack and the verifier's patience"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "fields are cut out of header words; try_from would bring a panic into the kernel"
)]
#![expect(clippy::many_single_char_names, reason = "the bytes of an address have no other names")]

pub mod abi;
pub mod address;
pub mod connect;
pub mod counter;
pub mod decide;
pub mod dns;
pub mod flow;
pub mod fragment;
#[cfg(feature = "user")]
pub mod layout;
pub mod learned;
pub mod measure;
pub mod packet;
pub mod passed;
pub mod quota;
pub mod rejection;
pub mod repeat;
pub mod rule_mask;
pub mod settings;
pub mod socket;
pub mod special;
pub mod uplink;
pub mod verdict;

#[cfg(feature = "user")]
mod pod;

#[cfg(test)]
extern crate std;
