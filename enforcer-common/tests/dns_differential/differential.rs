//! Messages made up and damaged.

use std::{collections::BTreeMap, env};

use super::{
    compare::{Class, compare},
    generate, mutate,
    random::Random,
};

const CASES: u64 = 100_000;
const SEED: u64 = 0x000e_4f05_ce53;

/// Classes that each make up one in so many messages at least: without them the test says little.
const EXPECTED: [(Class, u64); 9] = [
    (Class::Direct, 20),
    (Class::Chain, 20),
    (Class::Hints, 100),
    (Class::NoAddress, 20),
    (Class::Malformed, 10),
    (Class::Ignored, 10),
    (Class::OverBound, 1_000),
    (Class::OutOfOrder, 1_000),
    (Class::OutOfOrderInVain, 1_000),
];

#[test]
fn learns_exactly_what_the_rules_give() {
    let cases = number("ENFORCER_CASES").unwrap_or(CASES);
    let seed = number("ENFORCER_SEED").unwrap_or(SEED);
    let (mut classes, mut confirmed) = (BTreeMap::new(), 0);
    for case in 0..cases {
        // Each message has a seed of its own, so that one can be looked at alone.
        let seed = seed.wrapping_add(case);
        let bytes = message(seed);

        match compare(&bytes) {
            Ok((class, is_confirmed)) => {
                *classes.entry(class).or_insert(0_u64) += 1;
                confirmed += u64::from(is_confirmed);
            }
            Err(difference) => {
                panic!("ENFORCER_CASES=1 ENFORCER_SEED={seed}:\n{difference}")
            }
        }
    }

    println!("{cases} messages from seed {seed}: {classes:?}, {confirmed} read by the library");
    assert!(confirmed >= cases / 3, "{confirmed} of {cases} read by the library");
    for (class, share) in EXPECTED {
        let found = classes.get(&class).copied().unwrap_or(0);
        assert!(found >= cases / share / 10, "{class:?}: {found} of {cases}");
    }
}

/// The message of a seed: two in five as it was written, the others damaged.
fn message(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let draft = generate::answer(&mut random);
    if random.below(5) < 2 {
        return draft.bytes;
    }
    let other = generate::answer(&mut random);
    mutate::mutate(&mut random, &draft, &other.bytes)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
