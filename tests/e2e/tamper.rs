//! Whatever is taken away is back. `cargo xtask test tamper` is the same two hundred times, and
//! measures for how long each was away.

use enforcer_tests::{load::Rate, require_privilege, tamper::Tamper};

#[test]
fn each_link_and_pin_that_is_taken_away_is_back_and_no_allowed_packet_is_lost() {
    require_privilege!();
    if crate::world::modes().len() > 1 {
        run("tcx", 6);
    }
}

#[test]
fn each_filter_and_pin_that_is_taken_away_is_back_and_no_allowed_packet_is_lost() {
    require_privilege!();
    run("clsact", 8);
}

fn run(mode: &str, count: u32) {
    let rate = Rate { allowed: 1_000, forbidden: 1_000 };
    let tc_mode = Some(mode.to_owned());
    // How long it takes is not asked here.
    let tamper = Tamper { count, rate, seed: None, tc_mode, within: 60_000 };
    let outcome = tamper.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
}
