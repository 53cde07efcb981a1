//! Every promise to aya that a type is plain bytes.
#![expect(unsafe_code, reason = "aya's Pod is an unsafe trait, and this is its one place")]

use crate::{
    address::Address,
    connect::{RefusedEntry, RefusedKey},
    counter::Hits,
    dns::{
        check::LabelCheck,
        name::{NameEntry, NameKey},
    },
    flow::{FlowEntry, FlowKey},
    fragment::{FragmentEntry, FragmentKey},
    learned::{AddressEntry, AddressKey},
    quota::SlotUse,
    rule_mask::RuleMask,
    settings::{ResolverEntry, ResolverKey, Settings},
    uplink::Uplink,
};

// SAFETY: four words, every pattern valid.
unsafe impl aya::Pod for Address {}
// SAFETY: eight words, every pattern valid.
unsafe impl aya::Pod for RuleMask {}
// SAFETY: three words, every pattern valid.
unsafe impl aya::Pod for Hits {}
// SAFETY: integers and masks without padding (size asserted in `settings`).
unsafe impl aya::Pod for Settings {}
// SAFETY: words without padding (size asserted in `learned`).
unsafe impl aya::Pod for AddressKey {}
// SAFETY: integers and a mask without padding (size asserted in `learned`).
unsafe impl aya::Pod for AddressEntry {}
// SAFETY: three words, every pattern valid.
unsafe impl aya::Pod for SlotUse {}
// SAFETY: words and bytes without padding (size asserted in `settings`).
unsafe impl aya::Pod for ResolverKey {}
// SAFETY: integers without padding (size asserted in `settings`).
unsafe impl aya::Pod for ResolverEntry {}
// SAFETY: bytes only.
unsafe impl aya::Pod for NameKey {}
// SAFETY: masks and integers without padding (size asserted in `name`).
unsafe impl aya::Pod for NameEntry {}
// SAFETY: masks, integers and bytes without padding (size asserted in `check`).
unsafe impl aya::Pod for LabelCheck {}
// SAFETY: words and bytes without padding (size asserted in `fragment`).
unsafe impl aya::Pod for FragmentKey {}
// SAFETY: integers without padding (size asserted in `fragment`).
unsafe impl aya::Pod for FragmentEntry {}
// SAFETY: integers and bytes without padding (size asserted in `connect`).
unsafe impl aya::Pod for RefusedKey {}
// SAFETY: integers without padding (size asserted in `connect`).
unsafe impl aya::Pod for RefusedEntry {}
// SAFETY: words and bytes without padding (size asserted in `flow`).
unsafe impl aya::Pod for FlowKey {}
// SAFETY: integers without padding (size asserted in `flow`).
unsafe impl aya::Pod for FlowEntry {}
// SAFETY: words (size asserted in `uplink`).
unsafe impl aya::Pod for Uplink {}
