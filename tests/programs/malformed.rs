//! Verdicts on malformed packets are those of a plain reading. `cargo xtask test malformed` is the
//! same with a million packets.

use enforcer_tests::{malformed::Malformed, require_privilege};

#[test]
fn malformed_packets_are_judged_as_a_plain_reading_of_their_headers_does() {
    require_privilege!();

    let judged = Malformed { count: 20_000, seed: Some(1) }.run().unwrap();

    println!("{judged}");
    assert_eq!(judged.faults(), Vec::<String>::new());
}
