//! An address is open when its answer is there, not a moment later. `cargo xtask test race` is the
//! same with 100,000 names.

use enforcer_tests::{race::Race, require_privilege};

#[test]
fn a_connect_in_the_system_call_after_the_answer_is_never_too_early() {
    require_privilege!();

    let outcome = Race { names: 2_000, stopped: 500, handed: 20, seconds: 0 }.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    assert!(outcome.running.tried_before >= 20 && outcome.running.tried_neighbours >= 20);
    assert_eq!(outcome.running.connected, 2_000);
    assert_eq!(outcome.stopped.connected, 500);
}
