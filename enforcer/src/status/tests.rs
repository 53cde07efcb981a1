use std::collections::BTreeSet;

use enforcer_common::{
    dns::Learning,
    verdict::{Implicit, Reason},
};

use super::{
    State, Status,
    names::Names,
    samples::{reading, wall},
    text::{self, Layout},
};
use crate::datapath::Reading;

const REASONS: &str = include_str!("../../../docs/reasons.md");

fn status(change: impl FnOnce(&mut Reading)) -> Status {
    let mut reading = reading();
    change(&mut reading);
    Status::new(Some(&reading), wall())
}

fn shown(status: &Status) -> String {
    text::render(status, Layout::default(), wall())
}

#[test]
fn is_enforcing_or_auditing_when_all_is_well() {
    let enforcing = status(|_| {});
    let auditing = status(|reading| reading.is_audit = true);

    assert_eq!((enforcing.state, enforcing.mode.as_str()), (State::Enforcing, "enforce"));
    assert_eq!((auditing.state, auditing.mode.as_str()), (State::Auditing, "audit"));
    assert!(enforcing.problems.is_empty() && auditing.problems.is_empty());
    assert!(shown(&auditing).contains("WOULD DROP"), "{}", shown(&auditing));
    assert!(!shown(&enforcing).contains("WOULD DROP"));
}

#[test]
fn is_degraded_when_something_is_missing_and_says_what() {
    type Change = fn(&mut Reading);
    const CASES: &[(&str, Change)] = &[
        ("the agent is down", |reading| reading.agent_running = false),
        ("hook cgroup_connect4 is not attached", |reading| reading.hooks[0].is_attached = false),
        ("the newest policy was refused", |reading| {
            reading.document.policy.reload_error = Some("line 3".to_owned());
        }),
        ("nearly full: 838861 of 1048576", |reading| reading.maps[0].entries = 838_861),
        ("nearly full: 786432 of 1048576", |reading| {
            reading.maps[0].entries = 786_432;
            reading.document.is_filling = true;
        }),
        ("something of the agent's", |reading| {
            reading.document.problems.push("something of the agent's".to_owned());
        }),
    ];

    for (said, change) in CASES {
        let status = status(change);
        assert_eq!(status.state, State::Degraded, "{said}");
        assert!(shown(&status).contains(said), "{said}: {}", shown(&status));
    }
    let with_entries = |entries, was| {
        status(|reading| {
            reading.maps[0].entries = entries;
            reading.document.is_filling = was;
        })
    };
    assert_eq!(with_entries(838_860, false).state, State::Enforcing);
    assert_eq!(with_entries(786_431, true).state, State::Enforcing);
}

#[test]
fn is_off_when_nothing_judges() {
    let detached = status(|reading| {
        for hook in &mut reading.hooks {
            hook.is_attached = false;
        }
    });

    assert_eq!(detached.state, State::Off);
    assert_eq!(Status::new(None, wall()).state, State::Off);
    assert!(shown(&Status::new(None, wall())).contains("nothing is loaded"));
}

#[test]
fn keeps_the_keys_that_others_depend_on() {
    const KEYS: &[&str] = &[
        "/apiVersion",
        "/kind",
        "/mode",
        "/state",
        "/agent/running",
        "/agent/pid",
        "/agent/version",
        "/agent/startedAt",
        "/policy/name",
        "/policy/path",
        "/policy/sha256",
        "/policy/generation",
        "/policy/loadedAt",
        "/hooks/0/hook",
        "/hooks/0/target",
        "/hooks/0/attached",
        "/rules/0/name",
        "/rules/0/action",
        "/rules/0/packets",
        "/rules/0/bytes",
        "/rules/0/lastHit",
        "/rules/0/addresses",
        "/implicit/0/name",
        "/implicit/0/packets",
        "/implicit/0/bytes",
        "/totals/allowedPackets",
        "/totals/allowedBytes",
        "/totals/deniedPackets",
        "/totals/deniedBytes",
        "/drops/0/reason",
        "/drops/0/packets",
        "/drops/0/bytes",
        "/dns/answers",
        "/dns/learned",
        "/dns/ignored/negative",
        "/dns/names",
        "/dns/addresses",
    ];
    let value = serde_json::to_value(status(|_| {})).unwrap();

    for key in KEYS {
        assert!(value.pointer(key).is_some_and(|value| !value.is_null()), "{key}: {value:#}");
    }
    assert_eq!((&value["kind"], &value["state"]), (&"Status".into(), &"enforcing".into()));
    assert_eq!(value["totals"]["allowedPackets"], 20);

    let names = serde_json::to_value(Names::new(&reading())).unwrap();
    assert_eq!(names["kind"], "Names");
    assert_eq!(names["addresses"].as_array().unwrap().len(), 1, "an expired address is none");
    let address = &names["addresses"][0];
    assert_eq!(address["rules"][0], "web");
    assert_eq!(address["names"][0], "a.test");
    assert_eq!(address["expiresIn"], 57.2);
    assert_eq!(address["packets"], 0);
}

#[test]
fn counts_only_live_addresses_and_dates_hits_by_the_clock_on_the_wall() {
    let status = status(|_| {});

    assert_eq!(status.rules[0].addresses, 1);
    assert_eq!(status.dns.addresses, 1);
    assert_eq!(status.rules[0].last_hit, Some("2026-11-24T04:59:57Z".parse().unwrap()));
    assert_eq!(status.rules[1].last_hit, None);
}

#[test]
fn shows_the_table() {
    insta::assert_snapshot!(shown(&status(|_| {})));
}

#[test]
fn shows_the_wide_table_of_an_agent_that_is_down() {
    let status = status(|reading| reading.agent_running = false);
    let layout = Layout { is_wide: true, ..Layout::default() };

    insta::assert_snapshot!(text::render(&status, layout, wall()));
}

#[test]
fn shows_only_rules_without_hits_when_asked_to() {
    let layout = Layout { only_unused: true, has_no_headers: true, ..Layout::default() };

    let shown = text::render(&status(|_| {}), layout, wall());

    assert!(
        shown.contains("wild") && !shown.contains("web ") && !shown.contains("RULE"),
        "{shown}"
    );
}

#[test]
fn writes_bytes_with_three_digits() {
    const CASES: &[(u64, &str)] = &[
        (0, "0B"),
        (999, "999B"),
        (1_000, "1.00kB"),
        (12_345, "12.3kB"),
        (999_499, "999kB"),
        (999_500, "1.00MB"),
        (4_560_000, "4.56MB"),
        (u64::MAX, "18.4EB"),
    ];
    for (count, text) in CASES {
        assert_eq!(text::bytes(*count), *text, "{count}");
    }
}

#[test]
fn the_page_of_reasons_lists_exactly_those_there_are() {
    let listed: BTreeSet<(u8, &str)> = REASONS
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let number = cells.next()?.parse().ok()?;
            Some((number, cells.next()?.trim_matches('`')))
        })
        .collect();
    let reasons = Reason::ALL.iter().map(|reason| (reason.number(), reason.as_str()));
    let implicit = Implicit::ALL.iter().map(|rule| (rule.number(), rule.as_str()));

    assert_eq!(listed, reasons.chain(implicit).collect());
}

#[test]
fn the_page_of_reasons_lists_exactly_what_becomes_of_answers() {
    let listed: BTreeSet<(&str, u8)> = REASONS
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.strip_suffix('`')?, cells.next()?.parse().ok()?))
        })
        .collect();
    let outcomes = Learning::ALL.iter().map(|outcome| (outcome.as_str(), outcome.number()));

    assert_eq!(listed, outcomes.collect());
}
