//! The bench measures what it says it measures. No figure is looked at: they are the machine's.

use enforcer_tests::{
    bench::{Bench, Contender, Part, Shape},
    require_privilege,
};

#[test]
fn the_bench_sends_everything_past_everyone_and_tells_what_is_missing() {
    require_privilege!();
    let bench = Bench {
        addresses: vec![10],
        rounds: 3,
        packets: 64,
        repeat: 100,
        idle: 1,
        only: vec![Part::Traffic, Part::Programs, Part::Idle],
        shapes: vec![],
        entries: None,
        loads: 1,
        quick: false,
    };

    let outcome = bench.run().unwrap();

    println!("{outcome}");
    assert_eq!(outcome.faults(), Vec::<String>::new());
    for traffic in &outcome.traffic {
        for contender in Contender::ALL {
            let figures = traffic.of(contender).unwrap();
            let is_there = figures.missing.is_none();
            assert!(is_there || contender.may_be_missing(), "{figures:?}");
            assert_eq!(figures.cost.map_or(0, |it| it.count), if is_there { 3 } else { 0 });
            assert_eq!(figures.sent > 0, is_there, "{figures:?}");
        }
    }
    let asked = outcome.traffic.iter().filter(|it| it.scenario.shape == Shape::Lookups);
    let added = asked.filter_map(|it| Some((it.of(Contender::Enforcer)?, it.of(Contender::None)?)));
    for (enforcer, none) in added {
        assert!(enforcer.learned >= Some(enforcer.sent), "{enforcer:?}");
        assert_eq!(none.learned, None);
    }
    for path in &outcome.programs {
        assert_eq!(path.missing, None, "{path:?}");
    }
    assert!(outcome.idle.is_some_and(|it| it.resident_bytes > 0));
    let told: serde_json::Value =
        serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
    assert_eq!(told["traffic"][0]["family"], "ipv4");
    assert_eq!(told["traffic"][0]["columns"].as_array().unwrap().len(), Contender::ALL.len());
}
