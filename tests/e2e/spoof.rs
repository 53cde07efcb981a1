//! Forged answers teach nothing. `cargo xtask test spoof` is the same with a million messages.

use enforcer_tests::{
    require_privilege,
    spoof::{Forgery, Spoof},
};

#[test]
fn no_forged_answer_teaches_an_address_and_the_real_ones_do() {
    require_privilege!();

    let outcome = Spoof { messages: 14_000 }.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    assert!(Forgery::ALL.iter().all(|forgery| outcome.sent[forgery] >= 1_000), "{outcome}");
    assert!(outcome.right_sent == 16 && outcome.real.connected > 0, "{outcome}");
}
