//! Names are learned and expire without the agent. `cargo xtask test stopped` is the same for ten
//! minutes.

use enforcer_tests::{load::Rate, require_privilege, stopped::Stopped};

#[test]
fn names_are_learned_and_expire_in_time_while_the_agent_is_stopped() {
    require_privilege!();
    let rate = Rate { allowed: 1_000, forbidden: 1_000 };
    let outcome = Stopped { seconds: 3, rate }.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    assert_eq!(outcome.names(), 12);
}
