//! What memory the maps take is said before they take it, and true.

use enforcer_common::learned::{AddressEntry, AddressKey};
use enforcer_tests::{held::Held, hog::Hog, require_privilege};

#[test]
fn the_memory_that_the_log_tells_is_what_the_kernel_accounts() {
    require_privilege!();
    let hog = Hog { room: 65_536, names: 200, others: 1, life: "600s", is_stopped: false };

    let outcome = hog.run().unwrap();

    let line = outcome.log.iter().position(|line| line.contains("at_start="));
    let ready = outcome.log.iter().position(|line| line.contains("ready"));
    assert!(line.is_some() && line < ready, "{:?}", outcome.log);
    let sum = |held: &Held| held.bytes();
    let (at_start, filled) = (sum(&outcome.held[0]), sum(&outcome.held[1]));
    let planned = outcome.planned.at_start.0;
    // Small maps have headers that are not in the sum, and the policy is in the tables already.
    assert!(planned.abs_diff(at_start) * 100 < at_start, "planned {planned}, took {at_start}");
    let element = 48 + size_of::<AddressKey>() + size_of::<AddressEntry>() + 8;
    let entries = outcome.hog + outcome.other;
    let each = (filled - at_start) / entries;
    assert!(each.abs_diff(element as u64) < 8, "{each} bytes for an address, not {element}");
}
