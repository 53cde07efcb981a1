use std::vec::Vec;

use super::*;
use crate::decide::Match;

const GENERATION: u64 = 7;
const NOW: u64 = (3 << 32) + 1_000;
const BY: u32 = Match::rule(3).bits();

fn v4() -> Plain {
    Plain {
        source: Address::from_v4([192, 0, 2, 2]).words(),
        destination: Address::from_v4([198, 51, 100, 1]).words(),
        ports: 0x9c40_01bb_u32.to_be(),
        form: Plain::form(u32::from(protocol::UDP), false, false),
    }
}

fn v6() -> Plain {
    Plain {
        source: [1, 2, 3, 4],
        destination: [5, 6, 7, 8],
        ports: 0x9c40_01bb_u32.to_be(),
        form: Plain::form(u32::from(protocol::TCP), true, false),
    }
}

fn remembered(plain: &Plain) -> Repeat {
    let mut repeat = Repeat::NOTHING;
    repeat.write(plain, BY, GENERATION, NOW);
    repeat
}

fn passes(repeat: &Repeat, plain: &Plain) -> bool {
    repeat.passes(plain, false, GENERATION, NOW).is_some()
}

/// Every packet that differs in one field.
fn others(plain: &Plain) -> Vec<Plain> {
    let mut all = Vec::new();
    let words = if plain.is_v6() { 0..4 } else { 3..4 };
    for index in words {
        for is_source in [true, false] {
            let mut other = *plain;
            let field = if is_source { &mut other.source } else { &mut other.destination };
            field[index] ^= 1;
            all.push(other);
        }
    }
    all.push(Plain { ports: plain.ports ^ 1, ..*plain });
    all.push(Plain { ports: plain.ports ^ 1 << 31, ..*plain });
    for bit in 0..10 {
        all.push(Plain { form: plain.form ^ 1 << bit, ..*plain });
    }
    all
}

#[test]
fn nothing_passes_before_anything_is_remembered() {
    let zero = Plain { source: [0; 4], destination: [0; 4], ports: 0, form: 0 };

    assert_eq!(Repeat::NOTHING.passes(&zero, false, 0, 0), None);
    assert_eq!(Repeat::NOTHING.passes(&v4(), false, GENERATION, NOW), None);
}

#[test]
fn the_same_packet_passes_and_one_that_differs_anywhere_does_not() {
    for plain in [v4(), v6()] {
        let repeat = remembered(&plain);

        assert_eq!(repeat.passes(&plain, false, GENERATION, NOW), Some(BY));
        assert_eq!(repeat.destination().words(), plain.destination);
        for other in others(&plain) {
            assert!(!passes(&repeat, &other), "{other:?} passes for {plain:?}");
        }
    }
}

#[test]
fn the_way_back_has_both_ends_exchanged() {
    let plain = v4();
    let repeat = remembered(&plain);
    let back = Plain {
        source: plain.destination,
        destination: plain.source,
        ports: plain.ports.rotate_left(16),
        ..plain
    };

    assert_eq!(repeat.passes(&back, true, GENERATION, NOW), Some(BY));
    assert_eq!(repeat.passes(&plain, true, GENERATION, NOW), None);
    assert_eq!(repeat.passes(&back, false, GENERATION, NOW), None);
}

#[test]
fn it_counts_for_its_generation_and_for_some_ticks() {
    let (plain, repeat) = (v4(), remembered(&v4()));
    let after = |ticks: u64| repeat.passes(&plain, false, GENERATION, NOW + ticks);

    assert_eq!(after(u64::from(TICKS) - 1), Some(BY));
    assert_eq!(after(u64::from(TICKS)), None);
    assert_eq!(after(1 << 31), None);
    assert_eq!(after(1 << 32), None, "the clock's low half has begun anew");
    assert_eq!(repeat.passes(&plain, false, GENERATION, NOW - 1), None);
    assert_eq!(repeat.passes(&plain, false, GENERATION + 1, NOW), None);
    assert_eq!(repeat.passes(&plain, false, GENERATION - 1, NOW), None);

    let mut forgotten = repeat;
    forgotten.forget();
    assert_eq!(forgotten.passes(&plain, false, GENERATION, NOW), None);
}

/// Whatever words of two writings are seen together, nothing passes that neither of them is.
#[test]
fn no_mixture_of_two_writings_passes() {
    let one = v6();
    let other = Plain { destination: [9, 9, 9, 9], ports: 0x9c40_0050_u32.to_be(), ..one };
    let before = remembered(&one);
    let mut after = before;
    after.write(&other, Match::rule(4).bits(), GENERATION, NOW + 1);
    let mixtures =
        [Plain { ports: other.ports, ..one }, Plain { destination: other.destination, ..one }];

    for seen in 0_u32..1 << 14 {
        let word = |index: u32, old: u64, new: u64| if seen >> index & 1 == 0 { old } else { new };
        let mut repeat = before;
        for index in 0..4 {
            let at = u32::try_from(index).unwrap();
            repeat.source[index] = word(at, before.source[index], after.source[index]);
            repeat.destination[index] =
                word(4 + at, before.destination[index], after.destination[index]);
        }
        repeat.ports = word(8, before.ports, after.ports);
        repeat.form = word(9, before.form, after.form);
        repeat.generation = word(10, before.generation, after.generation);
        repeat.ticks = word(11, before.ticks, after.ticks);
        repeat.by = word(12, before.by, after.by);
        repeat.era = word(13, before.era, after.era);

        for mixture in &mixtures {
            assert!(!passes(&repeat, mixture), "{seen:b}");
        }
        assert!(seen == 0 || !passes(&repeat, &one), "{seen:b}");
        assert!(seen == (1 << 14) - 1 || !passes(&repeat, &other), "{seen:b}");
    }
}

#[test]
fn a_stamp_is_never_zero() {
    let mut repeat = remembered(&v4());
    repeat.ports |= u64::from(u32::MAX) << 32;
    repeat.write(&v4(), BY, GENERATION, NOW);

    assert_eq!(repeat.ports >> 32, 1);
    assert!(passes(&repeat, &v4()));
}

#[test]
fn an_uplink_is_of_the_packet_that_is_remembered() {
    let mut repeat = remembered(&v4());
    assert!(!repeat.has_left());
    assert_eq!(repeat.base(3), None);

    repeat.leave(Repeat::uplink(3, 14));
    assert!(repeat.has_left());
    assert_eq!((repeat.base(3), repeat.base(4)), (Some(14), None));
    repeat.write(&v6(), BY, GENERATION, NOW);
    assert!(!repeat.has_left());
    assert_eq!((Repeat::uplink(1 << 27, 14), Repeat::uplink(3, 32)), (0, 0));
}

#[test]
fn a_packet_is_what_it_was_read_from() {
    for plain in [v4(), v6()] {
        let packet = plain.packet(100, 0);

        assert_eq!(Plain::of(&packet, false), Some(plain));
        assert_eq!(Plain::of(&Packet { piece: Piece::FIRST, ..packet }, false), None);
        assert_eq!(Plain::of(&Packet { transport: packet.transport + 4, ..packet }, false), None);
        assert_eq!(Plain::of(&Packet { protocol: protocol::ICMP, ..packet }, false), None);
    }
    assert!(v4().is_whole(28) && !v4().is_whole(27));
    assert!(v6().is_whole(60) && !v6().is_whole(59));
    let mapped = Plain { source: Address::from_v4([1, 2, 3, 4]).words(), ..v6() };
    assert!(!mapped.is_whole(100));
}
