//! Addresses that come and go leave nothing behind. `cargo xtask test churn` is the same with ten
//! million.

use enforcer_tests::{churn::Churn, require_privilege};

#[test]
fn addresses_that_come_and_go_leave_nothing_behind() {
    require_privilege!();

    let outcome =
        Churn { entries: 32_000, per_second: 16_000, max_addresses: Some(131_072) }.run().unwrap();

    println!("{outcome}");
    // Of so few the agent's memory tells nothing yet: its allocator has not settled.
    let faults: Vec<_> = outcome
        .faults()
        .into_iter()
        .filter(|fault| !fault.contains("the agent's memory"))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    assert!(outcome.learned >= 32_000, "{outcome}");
}
