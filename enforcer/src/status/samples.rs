//! A look at the maps, made up for tests.

use std::collections::BTreeMap;

use enforcer_common::{
    dns::Learning,
    verdict::{Implicit, Reason},
};
use jiff::Timestamp;

use crate::datapath::{
    Document, Reading,
    document::{AgentInfo, PolicyInfo, Reloads, ResolutionInfo, RuleInfo, Unresolved},
    reading::{Counter, HookState, LearnedAddress, MapUse, Totals},
};

/// When the look was taken: an hour after boot.
pub(crate) const NOW_NS: u64 = 3_600_000_000_000;

/// Its time of day.
pub(crate) fn wall() -> Timestamp {
    "2026-11-24T05:00:00Z".parse().unwrap()
}

fn counter(packets: u64, bytes: u64) -> Counter {
    Counter { packets, bytes, last_hit_ns: if packets == 0 { 0 } else { NOW_NS - 3_000_000_000 } }
}

fn rule(slot: u16, name: &str, action: &str, to: &[&str]) -> RuleInfo {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    RuleInfo {
        slot,
        digest: String::new(),
        name: name.to_owned(),
        action: action.to_owned(),
        from: vec![],
        to: owned(to),
        to_count: to.len(),
        ports: vec!["tcp/443".to_owned()],
        line: u32::from(slot) + 10,
        preset: None,
    }
}

/// An agent that is well, enforcing three rules.
pub(crate) fn reading() -> Reading {
    Reading {
        learning: BTreeMap::from([
            (Learning::Learned, 3),
            (Learning::Address, 5),
            (Learning::NotPending, 2),
            (Learning::Asked, 9),
        ]),
        now_ns: NOW_NS,
        agent_running: true,
        document: Document {
            agent: AgentInfo {
                pid: 4711,
                pid_namespace: 1,
                version: "0.1.0".to_owned(),
                started_at: "2026-11-24T04:00:00Z".parse().unwrap(),
            },
            cgroup: "/".to_owned(),
            uplinks: Vec::new(),
            policy: PolicyInfo {
                name: "aks-node".to_owned(),
                path: "/etc/enforcer/policy.yaml".to_owned(),
                sha256: "0123456789abcdef".repeat(4),
                generation: 7,
                loaded_at: "2026-11-24T04:30:00Z".parse().unwrap(),
                mode: "enforce".to_owned(),
                resolvers: vec!["203.0.113.53:53".to_owned()],
                reload_error: None,
            },
            rules: vec![
                rule(0, "web", "allow", &["a.test", "198.51.100.0/24"]),
                rule(1, "wild", "allow", &["*.a.test"]),
                rule(2, "no", "deny", &["198.51.100.66"]),
            ],
            resolution: ResolutionInfo {
                names: 2,
                resolved: 1,
                stale: 0,
                unresolved: vec![Unresolved {
                    name: "b.test".to_owned(),
                    reason: "no such name".to_owned(),
                }],
                unresolved_count: 1,
                answers: 9,
                learned: 12,
                ignored: [("negative".to_owned(), 1)].into(),
            },
            layouts: BTreeMap::new(),
            highest_resolver_number: 1,
            restored: 0,
            reloads: Reloads { applied: 6, refused: 1 },
            is_filling: false,
            problems: vec![],
        },
        generation: 7,
        is_audit: false,
        hooks: ["cgroup_connect4", "cgroup_connect6", "cgroup_egress"]
            .map(|hook| HookState {
                hook: hook.to_owned(),
                target: "/".to_owned(),
                is_attached: true,
            })
            .into(),
        rules: vec![counter(12, 3_456), counter(0, 0), counter(2, 120)],
        implicit: Implicit::ALL
            .iter()
            .map(|rule| (*rule, counter(u64::from(*rule == Implicit::Dns) * 8, 640)))
            .collect(),
        totals: Totals {
            allowed_v4: counter(15, 3_000),
            allowed_v6: counter(5, 1_096),
            denied_v4: counter(2, 120),
            denied_v6: counter(1, 60),
        },
        drops: vec![(Reason::Rule, counter(2, 120)), (Reason::NoRule, counter(1, 60))],
        addresses: vec![
            LearnedAddress {
                namespace: None,
                address: "203.0.113.7".parse().unwrap(),
                slots: vec![0],
                names: vec!["a.test".to_owned()],
                expires_ns: NOW_NS + 57_250_000_000,
                packets: 0,
            },
            LearnedAddress {
                namespace: Some(4242),
                address: "203.0.113.8".parse().unwrap(),
                slots: vec![0],
                names: vec!["a.test".to_owned()],
                expires_ns: NOW_NS - 1,
                packets: 0,
            },
        ],
        maps: vec![MapUse { map: "ADDRS".to_owned(), entries: 2, max_entries: 1_048_576 }],
    }
}
