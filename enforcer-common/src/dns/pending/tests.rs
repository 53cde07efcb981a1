use super::{
    super::{
        question::{Question, question},
        tests::{Slice, asking, wire},
    },
    Circumstance, LIFETIME_MS, Match, PendingTable, WAYS,
};

const FIRST: Circumstance =
    Circumstance { resolver: 3, id: 0x1230, now_ns: 5_000_000_000, is_loopback: false };

#[test]
fn takes_a_question_once() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "a.com", FIRST);

    assert_eq!(take(&mut table, "a.com", later(FIRST, 1)), Match::Taken);
    assert_eq!(take(&mut table, "a.com", later(FIRST, 2)), Match::Unknown);
}

#[test]
fn an_empty_table_knows_nothing() {
    let zeros = Circumstance { resolver: 0, id: 0, now_ns: 0, is_loopback: false };
    assert_eq!(take(&mut { PendingTable::EMPTY }, "a.com", zeros), Match::Unknown);
}

#[test]
fn tells_what_is_wrong_with_an_answer_and_waits_on() {
    let cases = [
        ("other id", "a.com", Circumstance { id: 0x1231, ..FIRST }, Match::Unknown),
        ("other id, same set", "a.com", Circumstance { id: 0x1238, ..FIRST }, Match::Unknown),
        ("other resolver", "a.com", Circumstance { resolver: 4, ..FIRST }, Match::Unknown),
        ("other case", "A.com", FIRST, Match::OtherCase),
        ("other name", "b.com", FIRST, Match::OtherQuestion),
        ("other path", "a.com", Circumstance { is_loopback: true, ..FIRST }, Match::OtherPath),
    ];
    for (label, name, answered, expected) in cases {
        let mut table = PendingTable::EMPTY;
        insert(&mut table, "a.com", FIRST);

        assert_eq!(take(&mut table, name, answered), expected, "{label}");
        assert_eq!(take(&mut table, "a.com", FIRST), Match::Taken, "{label}: waits on");
    }
}

#[test]
fn another_type_is_another_question() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "a.com", FIRST);

    let bytes = asking(&wire("a.com"), 28);
    let message = Slice(&bytes);
    let other = question(&message).unwrap();

    assert_eq!(table.take(&message, &other, &FIRST), Match::OtherQuestion);
}

#[test]
fn a_question_that_left_by_loopback_is_answered_there() {
    let mut table = PendingTable::EMPTY;
    let asked = Circumstance { is_loopback: true, ..FIRST };
    insert(&mut table, "a.com", asked);

    assert_eq!(take(&mut table, "a.com", FIRST), Match::OtherPath);
    assert_eq!(take(&mut table, "a.com", asked), Match::Taken);
}

#[test]
fn an_answer_after_ten_seconds_is_late_and_ends_the_waiting() {
    let cases =
        [(LIFETIME_MS - 1, Match::Taken), (LIFETIME_MS, Match::Late), (u32::MAX, Match::Late)];
    for (age, expected) in cases {
        let mut table = PendingTable::EMPTY;
        insert(&mut table, "a.com", FIRST);

        assert_eq!(take(&mut table, "a.com", later(FIRST, age)), expected, "{age}");
        assert_eq!(take(&mut table, "a.com", FIRST), Match::Unknown, "{age}: again");
    }
}

#[test]
fn the_clock_may_go_round() {
    let mut table = PendingTable::EMPTY;
    // Two seconds before 32 bits of milliseconds are full.
    let asked = Circumstance { now_ns: (u64::from(u32::MAX) - 2_000) * 1_000_000, ..FIRST };
    insert(&mut table, "a.com", asked);

    assert_eq!(take(&mut table, "a.com", later(asked, 3_000)), Match::Taken);
}

#[test]
fn questions_with_the_same_id_wait_beside_each_other() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "a.com", FIRST);
    insert(&mut table, "b.com", later(FIRST, 1));

    assert_eq!(take(&mut table, "b.com", later(FIRST, 2)), Match::Taken);
    assert_eq!(take(&mut table, "a.com", later(FIRST, 2)), Match::Taken);
}

#[test]
fn a_set_holds_sixteen_and_the_oldest_makes_room() {
    let mut table = PendingTable::EMPTY;
    // Ids of one set; the third is the oldest.
    let asked = |way: u32| {
        let age = if way == 2 { 0 } else { 10 + way };
        Circumstance { id: way * 8, ..later(FIRST, age) }
    };
    (0..WAYS).for_each(|way| insert(&mut table, "a.com", asked(way)));
    let last = Circumstance { id: WAYS * 8, ..later(FIRST, 100) };
    insert(&mut table, "a.com", last);

    assert_eq!(take(&mut table, "a.com", asked(2)), Match::Unknown);
    for way in (0..WAYS).filter(|way| *way != 2) {
        assert_eq!(take(&mut table, "a.com", later(asked(way), 200)), Match::Taken, "{way}");
    }
    assert_eq!(take(&mut table, "a.com", last), Match::Taken);
}

#[test]
fn questions_of_one_moment_make_room_as_well() {
    let mut table = PendingTable::EMPTY;
    (0..=WAYS).for_each(|way| insert(&mut table, "a.com", Circumstance { id: way * 8, ..FIRST }));

    let waiting = (0..=WAYS)
        .filter(|way| {
            take(&mut table, "a.com", Circumstance { id: way * 8, ..FIRST }) == Match::Taken
        })
        .count();
    assert_eq!(waiting, 16);
}

#[test]
fn other_sets_are_left_alone() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "a.com", FIRST);
    (0..100).for_each(|index| {
        insert(&mut table, "a.com", Circumstance { id: 1 + index * 8, ..later(FIRST, index) });
    });

    assert_eq!(take(&mut table, "a.com", later(FIRST, 101)), Match::Taken);
}

#[test]
fn a_place_that_does_not_wait_is_used_before_the_oldest_is_pushed_out() {
    let mut table = PendingTable::EMPTY;
    let asked = |way: u32| Circumstance { id: way * 8, ..later(FIRST, way) };
    (0..WAYS).for_each(|way| insert(&mut table, "a.com", asked(way)));
    assert_eq!(take(&mut table, "a.com", later(asked(9), 20)), Match::Taken);

    insert(&mut table, "a.com", asked(WAYS));

    for way in (0..=WAYS).filter(|way| *way != 9) {
        assert_eq!(take(&mut table, "a.com", later(asked(way), 20)), Match::Taken, "{way}");
    }
}

#[test]
fn a_question_asked_again_waits_from_then_on_and_once() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "a.com", FIRST);
    let again = later(FIRST, 9_000);
    insert(&mut table, "a.com", again);

    assert_eq!(take(&mut table, "a.com", later(again, 2_000)), Match::Taken);
    assert_eq!(take(&mut table, "a.com", later(again, 2_000)), Match::Unknown);
}

#[test]
fn a_question_asked_again_waits_once_though_a_place_before_its_own_is_free() {
    let mut table = PendingTable::EMPTY;
    insert(&mut table, "b.com", FIRST);
    insert(&mut table, "a.com", FIRST);
    assert_eq!(take(&mut table, "b.com", later(FIRST, 1)), Match::Taken);
    let again = later(FIRST, 9_000);
    insert(&mut table, "a.com", again);

    assert_eq!(take(&mut table, "a.com", later(again, 2_000)), Match::Taken);
    assert_eq!(take(&mut table, "a.com", later(again, 2_000)), Match::Unknown);
}

fn insert(table: &mut PendingTable, name: &str, asked: Circumstance) {
    with(name, |message, question| table.insert(message, question, &asked));
}

fn take(table: &mut PendingTable, name: &str, answered: Circumstance) -> Match {
    with(name, |message, question| table.take(message, question, &answered))
}

fn with<T>(name: &str, then: impl FnOnce(&Slice<'_>, &Question) -> T) -> T {
    let bytes = asking(&wire(name), 1);
    let message = Slice(&bytes);
    then(&message, &question(&message).unwrap())
}

fn later(moment: Circumstance, milliseconds: u32) -> Circumstance {
    Circumstance { now_ns: moment.now_ns + u64::from(milliseconds) * 1_000_000, ..moment }
}
