//! `write_address`: what the agent does to an address of a name, run by the agent and attached
//! nowhere. So that one piece of code writes the map, and under one lock.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::learned::{AddressWrite, written};

use crate::{
    learned::{Change, allowance, change, charged, settle},
    packet::nothing,
    tables,
};

#[inline(always)]
pub(crate) fn write(ctx: &SkBuffContext) -> u32 {
    let Ok(input) = ctx.load::<AddressWrite>(0) else { return written::BAD_INPUT };
    let grace_ns = tables::settings_in_force().map_or(0, |settings| settings.grace_ns);
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let charged = charged(&input.add);
    let asked = Change {
        key: &input.key,
        add: &input.add,
        expires_ns: input.expires_ns,
        name: input.name,
        charged,
        allowed: allowance(charged),
        made: 0,
        remove: &input.remove,
        now_ns,
        grace_ns,
        nothing: nothing(now_ns),
    };
    match change(&asked) {
        written::OVER_QUOTA if settle(charged, 0, 1) == 1 => written::FULL,
        written::MADE => {
            settle(charged, 1, 0);
            written::DONE
        }
        other => other,
    }
}
