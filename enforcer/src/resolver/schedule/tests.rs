mod invariants;

use super::*;

fn settings() -> DnsSettings {
    DnsSettings {
        resolvers: vec![],
        min_ttl: seconds(60),
        max_ttl: seconds(3_600),
        grace: seconds(60),
        stale_ttl: seconds(3_600),
        nat64: vec![],
    }
}

fn names(count: usize) -> BTreeSet<DomainName> {
    (0..count).map(|index| DomainName::parse(&format!("n{index}.test")).unwrap()).collect()
}

fn servers(count: u8) -> Vec<SocketAddr> {
    (1..=count).map(|last| SocketAddr::from(([192, 0, 2, last], 53))).collect()
}

fn schedule(count: usize, server_count: u8) -> Schedule {
    let mut schedule = Schedule::new(settings(), &servers(server_count));
    schedule.set_names(&names(count), Duration::ZERO);
    schedule
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome, as the schedule takes it")]
fn answer(text: &str, ttl: u32) -> Result<Answer, Failure> {
    Ok(Answer { addresses: vec![text.parse().unwrap()], ttl })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Starts the only name at its only server and gives it an outcome for each family.
fn round(
    schedule: &mut Schedule,
    v4: Result<Answer, Failure>,
    v6: Result<Answer, Failure>,
    now: Duration,
) -> Addresses {
    let questions = schedule.start(now).expect("a name is due");
    let [first, second] = questions.as_slice() else { panic!("{questions:?}") };
    assert_eq!((first.family, second.family), (Family::V4, Family::V6));
    let mut addresses = schedule.take(first, v4, now);
    addresses.extend(schedule.take(second, v6, now));
    addresses
}

/// What every server says for a family that does not answer.
fn silence() -> Result<Answer, Failure> {
    Err(Failure::TimedOut)
}

#[test]
fn asks_again_before_the_shortest_ttl_is_over() {
    let mut schedule = schedule(1, 1);

    let found =
        round(&mut schedule, answer("192.0.2.1", 300), answer("2001:db8::1", 100), seconds(1));

    assert_eq!(found.len(), 2);
    let wake = schedule.wake().unwrap();
    assert!(wake > seconds(1 + 70) && wake <= seconds(1 + 80), "{wake:?}");
}

#[test]
fn follows_a_pool_with_its_ttl_and_not_with_the_floor() {
    const CASES: &[(u32, u64, u64)] = &[(0, 5, 5), (5, 5, 5), (30, 21, 24), (86_400, 2_590, 2_880)];

    for (ttl, first, last) in CASES {
        let mut schedule = schedule(1, 1);
        let found =
            round(&mut schedule, answer("192.0.2.1", *ttl), Err(Failure::NoAddresses), seconds(0));

        let wake = schedule.wake().unwrap();
        assert!(wake >= seconds(*first) && wake <= seconds(*last), "ttl {ttl}: {wake:?}");
        assert!(found[0].1 >= seconds(60) && found[0].1 <= seconds(3_600), "ttl {ttl}: {found:?}");
    }
}

#[test]
fn backs_off_from_a_failing_name_to_a_minute_and_never_below_five_seconds() {
    let mut schedule = schedule(1, 1);
    let mut now = Duration::ZERO;

    for _ in 0..20 {
        round(&mut schedule, silence(), silence(), now);
        let next = schedule.wake().unwrap();
        let pause = next.checked_sub(now).unwrap();
        assert!((seconds(5)..=seconds(60)).contains(&pause), "{pause:?}");
        now = next;
    }
    round(&mut schedule, silence(), silence(), now);
    assert!(schedule.wake().unwrap() > now + seconds(50));
}

#[test]
fn keeps_the_addresses_of_a_failing_name_until_they_are_stale() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));

    let mut last = seconds(60);
    for _ in 0..100 {
        let now = schedule.wake().unwrap();
        for (_, lifetime) in round(&mut schedule, silence(), silence(), now) {
            assert!(now < last, "extended at {now:?} after it had expired at {last:?}");
            last = last.max(now + lifetime);
        }
        if now < seconds(3_400) {
            assert_eq!(schedule.progress(now).stale, 1, "{now:?}");
        }
    }
    assert_eq!(last, seconds(3_600), "kept for staleTtl after the last answer, no longer");
}

#[test]
fn keeps_the_addresses_of_the_family_that_fails_while_the_other_answers() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 60), answer("2001:db8::1", 60), seconds(0));

    let mut v4 = seconds(60);
    while schedule.wake().unwrap() < seconds(600) {
        let now = schedule.wake().unwrap();
        for (address, lifetime) in round(&mut schedule, silence(), answer("2001:db8::1", 60), now) {
            v4 = if address.is_ipv4() { v4.max(now + lifetime) } else { v4 };
        }
        assert!(v4 > now, "let go at {v4:?}");
        assert_eq!(schedule.progress(now).stale, 1);
    }

    let now = schedule.wake().unwrap();
    round(&mut schedule, answer("192.0.2.1", 60), answer("2001:db8::1", 60), now);
    assert_eq!(schedule.progress(now).stale, 0, "an answer ends it");
}

#[test]
fn lets_the_addresses_of_a_name_that_is_gone_live_out_their_time() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));
    let now = schedule.wake().unwrap();

    let gone = round(&mut schedule, Err(Failure::NoSuchName), Err(Failure::NoSuchName), now);

    assert!(gone.is_empty());
    assert_eq!(schedule.progress(now).resolved, 1);
    // A silence after it brings nothing back.
    let later = schedule.wake().unwrap();
    assert!(round(&mut schedule, silence(), silence(), later).is_empty());
    assert!(schedule.tend(seconds(58)).is_empty());
    let progress = schedule.progress(seconds(61));
    assert_eq!((progress.resolved, progress.unresolved_count), (0, 1));
}

#[test]
fn says_why_a_name_has_no_address() {
    const CASES: &[(Failure, Failure, &str)] = &[
        (Failure::NoSuchName, Failure::NoSuchName, "no such name"),
        (Failure::NoAddresses, Failure::NoAddresses, "no addresses"),
        (Failure::NoAddresses, Failure::TimedOut, "no server answered in time"),
        (Failure::TimedOut, Failure::NoAddresses, "no server answered in time"),
        (Failure::NoAddresses, Failure::NoSuchName, "no such name"),
    ];

    for (v4, v6, reason) in CASES {
        let mut schedule = schedule(1, 1);
        assert_eq!(schedule.progress(seconds(0)).unresolved[0].1, "not asked for yet");
        round(&mut schedule, Err(v4.clone()), Err(v6.clone()), seconds(0));
        assert_eq!(schedule.progress(seconds(0)).unresolved[0].1, *reason, "{v4:?} {v6:?}");
    }
}

#[test]
fn asks_every_server_and_keeps_the_union() {
    let mut schedule = schedule(1, 2);

    let questions = schedule.start(seconds(0)).unwrap();
    assert_eq!(questions.len(), 4);
    for question in &questions {
        let [.., last] = question.server.ip().to_string().into_bytes()[..] else { panic!() };
        let text = format!("198.51.100.{}", char::from(last));
        let outcome = match question.family {
            Family::V4 => answer(&text, 60),
            Family::V6 => Err(Failure::NoAddresses),
        };
        let told = schedule.take(question, outcome, seconds(0));
        assert_eq!(told.len(), usize::from(question.family == Family::V4), "{question:?}");
    }

    let progress = schedule.progress(seconds(0));
    assert_eq!((progress.answers, progress.resolved, progress.settled), (2, 1, 1));
}

#[test]
fn a_denial_waits_for_the_other_server_and_an_answer_does_not() {
    let mut schedule = schedule(1, 2);
    let questions = schedule.start(seconds(0)).unwrap();
    let of = |family, index: usize| {
        questions.iter().filter(|question| question.family == family).nth(index).unwrap()
    };

    schedule.take(of(Family::V4, 0), answer("198.51.100.1", 60), seconds(0));
    schedule.take(of(Family::V6, 0), Err(Failure::NoAddresses), seconds(0));
    assert_eq!(schedule.progress(seconds(0)).settled, 0);

    schedule.take(of(Family::V6, 1), silence(), seconds(4));
    assert_eq!(schedule.progress(seconds(4)).settled, 1);
    assert_eq!(schedule.progress(seconds(4)).stale, 0, "one denial and one silence is a denial");

    let late = schedule.take(of(Family::V4, 1), answer("198.51.100.2", 60), seconds(5));
    assert_eq!(late.len(), 1, "what comes after the round is taken as well");
}

#[test]
fn a_silent_server_holds_up_nobody() {
    let mut schedule = schedule(2_000, 2);
    let [silent, live] = servers(2)[..] else { panic!() };
    let mut waiting = Vec::new();
    let mut now = Duration::ZERO;

    while schedule.progress(now).resolved < 2_000 {
        while let Some(questions) = schedule.start(now) {
            for question in questions {
                if question.server == silent {
                    waiting.push((now + seconds(4), question));
                    continue;
                }
                assert_eq!(question.server, live);
                schedule.take(&question, answer("198.51.100.1", 60), now);
            }
        }
        waiting.retain(|(end, question)| {
            let has_ended = *end <= now;
            if has_ended {
                schedule.take(question, silence(), now);
            }
            !has_ended
        });
        assert!(waiting.len() <= MAX_LOOKUPS / 2, "{}", waiting.len());
        now += Duration::from_millis(10);
        assert!(now < seconds(3), "{:?}", schedule.progress(now));
    }
}

#[test]
fn loses_no_address_of_many_names_while_no_server_answers() {
    let count = 2_000;
    let mut schedule = schedule(count, 1);
    let mut expiry = BTreeMap::new();
    let mut now = Duration::ZERO;
    while expiry.len() < count {
        while let Some(questions) = schedule.start(now) {
            for question in questions {
                schedule.take(&question, answer("198.51.100.1", 60), now);
                expiry.insert(question.name, now + seconds(60));
            }
        }
        now += Duration::from_millis(10);
    }

    // Four seconds a lookup: rounds take longer than addresses live.
    now = seconds(now.as_secs() + 1);
    let mut waiting = Vec::new();
    while now < seconds(900) {
        let mut kept = Vec::new();
        waiting.retain(|(end, question): &(Duration, Question)| {
            let has_ended = *end <= now;
            if has_ended {
                kept.push((question.name.clone(), schedule.take(question, silence(), now)));
            }
            !has_ended
        });
        if now.subsec_millis() == 0 {
            kept.extend(schedule.tend(now));
        }
        for (name, addresses) in kept {
            for (_, lifetime) in addresses {
                let expiry = expiry.get_mut(&name).unwrap();
                assert!(*expiry > now, "{name} was let go at {expiry:?}");
                *expiry = (*expiry).max(now + lifetime);
            }
        }
        while let Some(questions) = schedule.start(now) {
            waiting.extend(questions.into_iter().map(|question| (now + seconds(4), question)));
        }
        now += Duration::from_millis(100);
    }

    let lost = expiry.values().filter(|expiry| **expiry <= now).count();
    assert_eq!(lost, 0);
    assert_eq!(schedule.progress(now).stale, count);
}

#[test]
fn brings_no_address_back_that_has_expired() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));
    let questions = schedule.start(schedule.wake().unwrap()).unwrap();

    assert!(schedule.tend(seconds(60)).is_empty(), "it ended with this second");
    for question in &questions {
        assert!(schedule.take(question, silence(), seconds(61)).is_empty());
    }
    assert_eq!(schedule.progress(seconds(61)).resolved, 0);
}

#[test]
fn begins_a_thousand_names_a_second() {
    let mut schedule = schedule(5_000, 1);
    let mut begun = 0_u64;

    for milliseconds in 0..3_000 {
        let now = Duration::from_millis(milliseconds);
        while let Some(questions) = schedule.start(now) {
            begun += 1;
            for question in questions {
                schedule.take(&question, answer("198.51.100.1", 300), now);
            }
        }
        assert!(begun <= milliseconds + 101, "{begun} in {milliseconds} ms");
    }

    assert!(begun >= 3_000, "{begun}");
}

#[test]
fn tends_no_name_that_is_not_waiting() {
    let mut schedule = schedule(1, 1);
    // The next round is due long after the other family's addresses end.
    round(&mut schedule, answer("192.0.2.1", 300), answer("2001:db8::1", 300), seconds(0));

    for second in 0..200 {
        assert!(schedule.tend(seconds(second)).is_empty(), "{second}");
    }
}

#[test]
fn forgets_names_that_are_not_wanted_any_more() {
    let mut schedule = schedule(1, 1);
    let questions = schedule.start(Duration::ZERO).unwrap();

    schedule.set_names(&BTreeSet::new(), seconds(1));

    for question in &questions {
        assert!(schedule.take(question, answer("192.0.2.1", 60), seconds(1)).is_empty());
    }
    assert_eq!(schedule.progress(seconds(1)).names, 0);
    assert_eq!(schedule.wake(), None);
    assert!(schedule.in_flight.is_empty());
}

#[test]
fn keeps_what_is_known_of_a_name_that_stays() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));

    schedule.set_names(&names(2), seconds(1));

    let progress = schedule.progress(seconds(1));
    assert_eq!((progress.names, progress.settled, progress.resolved), (2, 1, 1));
    assert_eq!(schedule.start(seconds(1)).unwrap()[0].name.as_str(), "n1.test");
    assert_eq!(schedule.start(seconds(1)), None);
}

#[test]
fn takes_nothing_from_a_server_that_is_not_trusted_any_more() {
    let mut schedule = schedule(1, 1);
    let questions = schedule.start(Duration::ZERO).unwrap();
    let others = vec!["198.51.100.53:53".parse().unwrap()];

    schedule.set_servers(&others, seconds(1));

    for question in &questions {
        assert!(schedule.take(question, answer("192.0.2.1", 60), seconds(1)).is_empty());
    }
    let progress = schedule.progress(seconds(1));
    assert_eq!((progress.answers, progress.resolved), (0, 0));
    let wake = schedule.wake().unwrap();
    assert_eq!(schedule.start(wake).unwrap()[0].server, others[0]);
}

#[test]
fn asks_every_name_again_when_the_servers_change_but_not_within_five_seconds() {
    let mut schedule = schedule(1, 1);
    round(&mut schedule, answer("192.0.2.1", 3_600), Err(Failure::NoAddresses), seconds(0));

    schedule.set_servers(&servers(1), seconds(1));
    assert!(schedule.wake().unwrap() > seconds(2_000), "the same servers are no change");

    schedule.set_servers(&servers(2), seconds(1));
    assert_eq!(schedule.wake(), Some(seconds(5)));
}

#[test]
fn begins_nothing_without_servers() {
    let mut schedule = schedule(3, 0);

    assert_eq!(schedule.wake(), None);
    assert_eq!(schedule.start(seconds(1)), None);

    schedule.set_servers(&servers(1), seconds(2));
    assert!(schedule.start(seconds(2)).is_some());
}
