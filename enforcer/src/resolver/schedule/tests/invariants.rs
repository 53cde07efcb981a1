//! Whatever happens in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Start,
    /// The outcome of one of the lookups in flight.
    End(usize, u8, u32),
    Tend,
    Names(usize),
    Servers(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => prop_oneof![0..50_u64, 0..20_000_u64].prop_map(Event::Pass),
        6 => Just(Event::Start),
        8 => (any::<usize>(), any::<u8>(), prop_oneof![0..400_u32, any::<u32>()])
            .prop_map(|(which, outcome, ttl)| Event::End(which, outcome, ttl)),
        1 => Just(Event::Tend),
        1 => (0..300_usize).prop_map(Event::Names),
        1 => (0..4_u8).prop_map(Event::Servers),
    ]
}

fn outcome(kind: u8, family: Family, ttl: u32) -> Result<Answer, Failure> {
    let last = kind % 4;
    match kind % 7 {
        0 => Err(Failure::TimedOut),
        1 => Err(Failure::NoSuchName),
        2 => Err(Failure::NoAddresses),
        3 => Err(Failure::Refused("SERVFAIL".to_owned())),
        _ if family == Family::V4 => answer(&format!("198.51.100.{last}"), ttl),
        _ => answer(&format!("2001:db8::{last}"), ttl),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn limits_hold_and_no_address_is_shortened(events in prop::collection::vec(event(), 1..400)) {
        let mut schedule = schedule(50, 2);
        let mut now = Duration::ZERO;
        let mut flying: Vec<Question> = Vec::new();
        let mut begun: BTreeMap<DomainName, Duration> = BTreeMap::new();
        let mut starts: Vec<Duration> = Vec::new();
        let mut wanted = 50;
        // The expiry that the schedule itself believes in, of all that it knows.
        let known = |schedule: &Schedule| -> BTreeMap<(DomainName, IpAddr), Duration> {
            schedule
                .names
                .iter()
                .flat_map(|(name, entry)| {
                    entry.known().map(move |(address, expiry)| ((name.clone(), address), expiry))
                })
                .collect()
        };

        for event in events {
            let before = known(&schedule);
            let mut has_new_names = false;
            match event {
                Event::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                Event::Start => while let Some(questions) = schedule.start(now) {
                    prop_assert!(!questions.is_empty());
                    let name = questions[0].name.clone();
                    if let Some(last) = begun.insert(name.clone(), now) {
                        prop_assert!(now >= last + SHORTEST_PERIOD, "{name} at {last:?} and {now:?}");
                    }
                    starts.push(now);
                    flying.extend(questions);
                },
                Event::End(which, kind, ttl) if !flying.is_empty() => {
                    let question = flying.swap_remove(which % flying.len());
                    let outcome = outcome(kind, question.family, ttl);
                    for (_, lifetime) in schedule.take(&question, outcome, now) {
                        prop_assert!(lifetime <= settings().max_ttl.max(settings().stale_ttl));
                    }
                }
                Event::End(..) => {}
                Event::Tend => { schedule.tend(now); }
                Event::Names(count) => {
                    schedule.set_names(&names(count), now);
                    // A name that goes and comes back is another one.
                    begun.retain(|name, _| schedule.names.get(name).is_some_and(|entry| entry.asked.is_some()));
                    wanted = count;
                    has_new_names = true;
                }
                Event::Servers(count) => schedule.set_servers(&servers(count), now),
            }

            prop_assert!(flying.len() <= MAX_LOOKUPS, "{} in flight", flying.len());
            prop_assert_eq!(schedule.in_flight.values().sum::<usize>(), flying.len());
            let last_second = starts.iter().filter(|start| **start + seconds(1) > now).count();
            prop_assert!(last_second <= 1_101, "{last_second} names in a second");
            let progress = schedule.progress(now);
            prop_assert_eq!(progress.names, wanted);
            prop_assert_eq!(progress.resolved + progress.unresolved_count, wanted);
            prop_assert!(progress.unresolved.len() <= Progress::SHOWN);
            let after = known(&schedule);
            for (key, expiry) in before.iter().filter(|(_, expiry)| **expiry > now) {
                let is_gone = has_new_names && !schedule.names.contains_key(&key.0);
                prop_assert!(is_gone || after.get(key) >= Some(expiry), "{key:?} was shortened");
            }
        }
    }
}
