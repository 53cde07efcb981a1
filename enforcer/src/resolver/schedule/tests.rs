use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::{MAX_IN_FLIGHT, Schedule};
use crate::{
    fqdn::DomainName,
    policy::DnsSettings,
    resolver::{chain::Answer, lookup::Failure},
};

fn settings() -> DnsSettings {
    DnsSettings {
        resolvers: vec![],
        min_ttl: Duration::from_secs(60),
        max_ttl: Duration::from_secs(3_600),
        grace: Duration::from_secs(60),
        stale_ttl: Duration::from_secs(3_600),
        nat64: vec![],
    }
}

fn names(count: usize) -> BTreeSet<DomainName> {
    (0..count).map(|index| DomainName::parse(&format!("n{index}.test")).unwrap()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome, as the schedule takes it")]
fn answer(text: &str, ttl: u32) -> Result<Answer, Failure> {
    Ok(Answer { addresses: vec![text.parse().unwrap()], ttl })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Starts the only name and gives it an outcome for each family.
fn round(
    schedule: &mut Schedule,
    v4: Result<Answer, Failure>,
    v6: Result<Answer, Failure>,
    now: Duration,
) -> Vec<(IpAddr, Duration)> {
    let name = schedule.start(now).expect("a name is due");
    let mut addresses = schedule.take(&name, v4, now).addresses;
    addresses.extend(schedule.take(&name, v6, now).addresses);
    addresses
}

fn one() -> Schedule {
    let mut schedule = Schedule::new(settings());
    schedule.set_names(&names(1), Duration::ZERO);
    schedule
}

#[test]
fn asks_again_before_the_shortest_ttl_is_over() {
    let mut schedule = one();

    let found =
        round(&mut schedule, answer("192.0.2.1", 300), answer("2001:db8::1", 100), seconds(1));

    assert_eq!(found.len(), 2);
    let wake = schedule.wake().unwrap();
    assert!(wake > seconds(1 + 70) && wake <= seconds(1 + 80), "{wake:?}");
}

#[test]
fn gives_a_ttl_of_zero_the_floor_and_a_long_one_the_ceiling() {
    let mut schedule = one();

    let found = round(&mut schedule, answer("192.0.2.1", 0), answer("::2", 999_999), seconds(0));

    assert_eq!(found[0].1, seconds(60));
    assert_eq!(found[1].1, seconds(3_600));
}

#[test]
fn backs_off_from_a_failing_name_to_a_minute_and_never_below_five_seconds() {
    let mut schedule = one();
    let mut now = Duration::ZERO;

    for _ in 0..20 {
        round(&mut schedule, Err(Failure::TimedOut), Err(Failure::TimedOut), now);
        let next = schedule.wake().unwrap();
        let pause = next.checked_sub(now).unwrap();
        assert!((seconds(5)..=seconds(60)).contains(&pause), "{pause:?}");
        now = next;
    }
    round(&mut schedule, Err(Failure::TimedOut), Err(Failure::TimedOut), now);
    assert!(schedule.wake().unwrap() > now + seconds(50));
}

#[test]
fn keeps_the_addresses_of_a_failing_name_until_they_are_stale() {
    let mut schedule = one();
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));

    let mut last = Duration::ZERO;
    for _ in 0..100 {
        let now = schedule.wake().unwrap();
        for (_, lifetime) in
            round(&mut schedule, Err(Failure::TimedOut), Err(Failure::TimedOut), now)
        {
            assert!(now < last.max(seconds(61)), "extended after it had expired");
            last = last.max(now + lifetime);
        }
        if now < seconds(3_400) {
            assert_eq!(schedule.progress(now).stale, 1, "{now:?}");
        }
    }
    assert_eq!(last, seconds(3_600), "kept for staleTtl after the last answer, no longer");
}

#[test]
fn lets_the_addresses_of_a_name_that_is_gone_live_out_their_time() {
    let mut schedule = one();
    round(&mut schedule, answer("192.0.2.1", 60), Err(Failure::NoAddresses), seconds(0));

    let now = schedule.wake().unwrap();
    let kept = round(&mut schedule, Err(Failure::NoSuchName), Err(Failure::NoSuchName), now);

    assert!(kept.is_empty());
    assert_eq!(schedule.progress(now).resolved, 1);
    let progress = schedule.progress(seconds(61));
    assert_eq!((progress.resolved, progress.unresolved_count), (0, 1));
    assert_eq!(progress.unresolved[0].1, "no such name");
}

#[test]
fn bounds_what_is_in_flight_and_how_fast_names_begin() {
    let mut schedule = Schedule::new(settings());
    schedule.set_names(&names(2_000), Duration::ZERO);
    let mut begun = 0;
    let mut now = Duration::ZERO;

    while now < seconds(1) {
        let mut started = Vec::new();
        while let Some(name) = schedule.start(now) {
            started.push(name);
        }
        assert!(started.len() <= MAX_IN_FLIGHT);
        begun += started.len();
        for name in started {
            schedule.take(&name, answer("192.0.2.1", 60), now);
            schedule.take(&name, answer("192.0.2.1", 60), now);
        }
        now += Duration::from_millis(10);
    }

    assert!((900..=1_200).contains(&begun), "{begun}");
}

#[test]
fn a_name_that_never_answers_does_not_hold_up_another() {
    let mut schedule = Schedule::new(settings());
    schedule.set_names(&names(2), Duration::ZERO);
    let silent = schedule.start(Duration::ZERO).unwrap();

    let other = schedule.start(seconds(1)).unwrap();
    schedule.take(&other, answer("192.0.2.1", 60), seconds(1));
    schedule.take(&other, Err(Failure::NoAddresses), seconds(1));

    assert_ne!(silent, other);
    assert_eq!(schedule.progress(seconds(1)).settled, 1);
    assert!(schedule.wake().is_some());
}

#[test]
fn forgets_names_that_are_not_wanted_any_more() {
    let mut schedule = one();
    let name = schedule.start(Duration::ZERO).unwrap();

    schedule.set_names(&BTreeSet::new(), seconds(1));

    assert!(schedule.take(&name, answer("192.0.2.1", 60), seconds(1)).addresses.is_empty());
    assert_eq!(schedule.progress(seconds(1)).names, 0);
    assert_eq!(schedule.wake(), None);
}

#[test]
fn asks_failed_names_again_when_the_servers_change() {
    let mut schedule = one();
    round(&mut schedule, Err(Failure::TimedOut), Err(Failure::TimedOut), seconds(0));
    assert!(schedule.wake().unwrap() > seconds(1));

    schedule.retry_failed(seconds(1));

    assert_eq!(schedule.wake(), Some(seconds(1)));
}
