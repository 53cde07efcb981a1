//! One rule cannot take the room that others need.

use enforcer_tests::{hog::Hog, require_privilege};

/// More names than fit, and some of another rule.
const CROWDED: Hog =
    Hog { room: 4_096, names: 2_000, others: 500, life: "600s", is_stopped: false };
const ROOM: u64 = 4_096;

/// Half of the room, but for answers that two processors take at once, and for what was made while
/// the agent counted.
fn is_half(addresses: u64) -> bool {
    addresses.abs_diff(ROOM / 2) <= 2 * u64::from(Hog::EACH)
}

#[test]
fn a_wildcard_of_thousands_of_names_gets_half_of_the_room_and_starves_nobody() {
    require_privilege!();

    let outcome = CROWDED.run().unwrap();

    assert!(is_half(outcome.hog), "{:#}", outcome.status);
    assert_eq!((outcome.connects.connected, outcome.other), (500, 500), "{:#}", outcome.status);
    assert_eq!(outcome.is_open, [true, false], "{:#}", outcome.status);
    let refused = outcome.ignored("quota");
    assert!(refused > 1_900 && outcome.ignored("map-full") == 0, "{:#}", outcome.status);
    assert_eq!(outcome.status["state"], "degraded");
    assert_eq!(outcome.said(), 1, "{:?}", outcome.log);
    let sample = format!("enforcer_dns_answers_total{{by=\"kernel\",result=\"quota\"}} {refused}");
    assert!(outcome.metrics.contains(&sample), "{}", outcome.metrics);
}

#[test]
fn with_the_agent_stopped_a_wildcard_starves_nobody_either() {
    require_privilege!();

    let outcome = Hog { is_stopped: true, ..CROWDED }.run().unwrap();

    assert!(is_half(outcome.hog), "{:#}", outcome.status);
    assert_eq!((outcome.connects.connected, outcome.other), (500, 500), "{:#}", outcome.status);
    assert_eq!(outcome.is_open, [true, false], "{:#}", outcome.status);
    assert!(outcome.ignored("quota") > 0 && outcome.ignored("map-full") == 0);
}

#[test]
fn without_a_hog_all_that_fits_is_learned() {
    require_privilege!();
    let names = 30;

    let outcome = Hog { names, ..CROWDED }.run().unwrap();

    assert_eq!(outcome.hog, u64::from(names * Hog::EACH), "{:#}", outcome.status);
    assert_eq!((outcome.connects.connected, outcome.other), (500, 500), "{:#}", outcome.status);
    assert_eq!(outcome.is_open, [true, true]);
    assert_eq!((outcome.ignored("quota"), outcome.ignored("map-full")), (0, 0));
    assert_eq!(outcome.said(), 0, "{:?}", outcome.log);
}

#[test]
fn room_is_free_again_when_addresses_have_expired() {
    require_privilege!();

    let outcome = Hog { names: 500, life: "1s", ..CROWDED }.run().unwrap();

    assert!(outcome.ignored("quota") > 0, "{:#}", outcome.status);
    assert_eq!(outcome.afterwards, Some(u64::from(Hog::EACH)));
}
