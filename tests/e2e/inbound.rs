//! Whoever asks from outside is answered. `cargo xtask test inbound` is the same with 10,000
//! connections and 100,000 datagrams.

use enforcer_tests::{inbound::Inbound, require_privilege};

#[test]
fn every_connection_and_datagram_from_outside_is_answered_and_nobody_else() {
    require_privilege!();
    for tc in ["none", "auto"] {
        let outcome =
            Inbound { connections: 200, datagrams: 2_000, tc: tc.to_owned() }.run().unwrap();

        println!("{outcome}");
        assert_eq!(outcome.faults(), Vec::<String>::new(), "--tc {tc}");
    }
}
