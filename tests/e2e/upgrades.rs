//! Versions that lay their maps out otherwise replace each other under a load.
//! `cargo xtask test upgrades` is the same two hundred times.

use enforcer_tests::{load::Rate, require_privilege, upgrades::Upgrades};

const RATE: Rate = Rate { allowed: 1_000, forbidden: 1_000 };

#[test]
fn an_upgrade_and_a_downgrade_cost_no_packet_that_is_allowed_and_let_none_pass() {
    require_privilege!();
    let outcome = Upgrades { count: 2, rate: RATE, tc: "auto".to_owned() }.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
}
