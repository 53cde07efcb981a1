//! Reloads cost no packet that both policies allow. `cargo xtask test reloads` is the same with ten
//! thousand policies and forty thousand datagrams a second.

use enforcer_tests::{load::Rate, reloads::Reloads, require_privilege};

#[test]
fn reloads_cost_no_packet_and_let_none_pass_and_half_a_file_changes_nothing() {
    require_privilege!();
    let rate = Rate { allowed: 1_000, forbidden: 1_000 };
    let reloads = Reloads { count: 40, rate, seed: None, tc: "auto".to_owned() };
    let outcome = reloads.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    assert_eq!(outcome.broken, 2);
}
