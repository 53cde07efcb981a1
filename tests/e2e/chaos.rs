//! An agent that is killed over and over is missed by nobody. `cargo xtask test chaos` is the same
//! with a thousand kills and forty thousand datagrams a second.

use enforcer_tests::{chaos::Chaos, load::Rate, require_privilege};

const RATE: Rate = Rate { allowed: 1_000, forbidden: 1_000 };

#[test]
fn kills_of_the_agent_cost_no_packet_that_is_allowed_and_let_none_pass() {
    require_privilege!();
    let tc = "auto".to_owned();
    let chaos = Chaos { kills: 4, rate: RATE, seed: None, tc, without_names: false };
    let outcome = chaos.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    assert_eq!(outcome.kills, 4);
}
