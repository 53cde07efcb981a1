//! What is told, as plain samples.

use enforcer_common::{dns::Learning, verdict::Reason};

use crate::datapath::{Reading, reading::Counter};

/// A metric family, before it is written in some format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample>,
}

/// What its values do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rise; the name is written with `_total` behind it.
    Counter,
    /// Rise and fall.
    Gauge,
}

/// One value and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: u64,
}

use Kind::{Counter as Rising, Gauge};

/// Every metric: its name (a counter's without `_total`), what its values do, what it says.
pub const METRICS: &[(&str, Kind, &str)] = &[
    ("enforcer_build_info", Gauge, "1, with the version of the agent"),
    ("enforcer_mode", Gauge, "1 for the mode that is in force, 0 for the others"),
    ("enforcer_agent_up", Gauge, "1 while the agent that loaded the policy is alive"),
    ("enforcer_attached", Gauge, "1 where a hook is attached to its target"),
    ("enforcer_packets", Rising, "Packets judged; in audit mode, deny is what would be dropped"),
    ("enforcer_bytes", Rising, "Bytes judged, from the network header on"),
    ("enforcer_dropped_packets", Rising, "Packets denied, by reason"),
    ("enforcer_dropped_bytes", Rising, "Bytes denied, by reason"),
    ("enforcer_rule_packets", Rising, "Packets that a rule matched"),
    ("enforcer_rule_bytes", Rising, "Bytes that a rule matched"),
    ("enforcer_implicit_packets", Rising, "Packets that an implicit rule let pass"),
    ("enforcer_implicit_bytes", Rising, "Bytes that an implicit rule let pass"),
    ("enforcer_rules", Gauge, "Rules in force, by action"),
    ("enforcer_map_entries", Gauge, "Entries in a kernel map"),
    ("enforcer_map_max_entries", Gauge, "Entries that a kernel map can hold"),
    ("enforcer_dns_answers", Rising, "DNS answers, by who took them and what came of them"),
    ("enforcer_dns_addresses", Rising, "Addresses in answers that the kernel wrote or refused"),
    ("enforcer_dns_queries", Rising, "Questions to trusted resolvers that the kernel noted"),
    ("enforcer_dns_handed_over", Rising, "Questions that the kernel handed to the agent"),
    ("enforcer_dns_names_active", Gauge, "Exact names with a live address"),
    ("enforcer_dns_names_unresolved", Gauge, "Exact names without a live address"),
    ("enforcer_dns_addresses_active", Gauge, "Live addresses of names"),
    ("enforcer_restored", Rising, "Hooks and pins that were taken away and put back"),
    ("enforcer_policy_reload", Rising, "Policies that were to replace another, by what came of it"),
    ("enforcer_policy_generation", Gauge, "Policies applied since the maps were made"),
    ("enforcer_policy_hash_info", Gauge, "1, with the SHA-256 of the policy file"),
    ("enforcer_policy_last_reload_successful", Gauge, "Whether the newest policy is in force"),
    (
        "enforcer_policy_last_reload_success_timestamp_seconds",
        Gauge,
        "When the policy in force was loaded",
    ),
];

/// The samples of one look; `None`: nothing is loaded.
pub(super) fn families(reading: Option<&Reading>) -> Vec<Family> {
    let families = METRICS.iter().map(|(name, kind, help)| Family {
        name,
        help,
        kind: *kind,
        samples: samples(name, reading),
    });
    families.filter(|family| !family.samples.is_empty()).collect()
}

fn sample<const N: usize>(labels: [(&'static str, &str); N], value: u64) -> Sample {
    let labels = labels.into_iter().map(|(key, text)| (key, text.to_owned())).collect();
    Sample { labels, value }
}

fn samples(name: &str, reading: Option<&Reading>) -> Vec<Sample> {
    match name {
        "enforcer_build_info" => vec![sample([("version", env!("CARGO_PKG_VERSION"))], 1)],
        "enforcer_mode" => modes(reading),
        other => reading.map(|reading| loaded(other, reading)).unwrap_or_default(),
    }
}

fn modes(reading: Option<&Reading>) -> Vec<Sample> {
    let is_judging =
        reading.is_some_and(|reading| reading.hooks.iter().any(|hook| hook.is_attached));
    let mode = match reading {
        Some(reading) if is_judging && reading.is_audit => "audit",
        Some(_) if is_judging => "enforce",
        _ => "disabled",
    };
    let modes = ["disabled", "audit", "enforce"];
    modes.iter().map(|one| sample([("mode", *one)], u64::from(*one == mode))).collect()
}

fn learned(reading: &Reading, learning: Learning) -> u64 {
    reading.learning.get(&learning).copied().unwrap_or(0)
}

fn loaded(name: &str, reading: &Reading) -> Vec<Sample> {
    let (document, dns) = (&reading.document, &reading.document.resolution);
    match name {
        "enforcer_agent_up" => vec![sample([], reading.agent_running.into())],
        "enforcer_attached" => reading
            .hooks
            .iter()
            .map(|hook| {
                sample([("hook", &hook.hook), ("target", &hook.target)], hook.is_attached.into())
            })
            .collect(),
        "enforcer_packets" => verdicts(reading, |counter| counter.packets),
        "enforcer_bytes" => verdicts(reading, |counter| counter.bytes),
        "enforcer_dropped_packets" => drops(reading, |counter| counter.packets),
        "enforcer_dropped_bytes" => drops(reading, |counter| counter.bytes),
        "enforcer_rule_packets" => rules(reading, |counter| counter.packets),
        "enforcer_rule_bytes" => rules(reading, |counter| counter.bytes),
        "enforcer_implicit_packets" => implicit(reading, |counter| counter.packets),
        "enforcer_implicit_bytes" => implicit(reading, |counter| counter.bytes),
        "enforcer_rules" => ["allow", "deny"]
            .iter()
            .map(|action| {
                let count = document.rules.iter().filter(|rule| rule.action == *action).count();
                sample([("action", *action)], count as u64)
            })
            .collect(),
        "enforcer_map_entries" => {
            reading.maps.iter().map(|map| sample([("map", &map.map)], map.entries)).collect()
        }
        "enforcer_map_max_entries" => {
            reading.maps.iter().map(|map| sample([("map", &map.map)], map.max_entries)).collect()
        }
        "enforcer_dns_answers" => {
            let taken = sample([("by", "agent"), ("result", "answered")], dns.answers);
            let ignored = dns
                .ignored
                .iter()
                .map(|(reason, count)| sample([("by", "agent"), ("result", reason)], *count));
            let kernel = reading.learning.iter().filter(|(learning, _)| learning.is_of_answer());
            let kernel = kernel.map(|(learning, count)| {
                sample([("by", "kernel"), ("result", learning.as_str())], *count)
            });
            std::iter::once(taken).chain(ignored).chain(kernel).collect()
        }
        "enforcer_dns_addresses" => [Learning::Address, Learning::SpecialAddress]
            .iter()
            .map(|one| sample([("result", one.as_str())], learned(reading, *one)))
            .collect(),
        "enforcer_dns_queries" => vec![sample([], learned(reading, Learning::Asked))],
        "enforcer_dns_handed_over" => [Learning::HandedOver, Learning::NotHandedOver]
            .iter()
            .map(|one| sample([("result", one.as_str())], learned(reading, *one)))
            .collect(),
        "enforcer_dns_names_active" => vec![sample([], dns.resolved as u64)],
        "enforcer_dns_names_unresolved" => vec![sample([], dns.unresolved_count as u64)],
        "enforcer_dns_addresses_active" => {
            let live = reading.addresses.iter().filter(|entry| entry.expires_ns > reading.now_ns);
            vec![sample([], live.count() as u64)]
        }
        "enforcer_restored" => vec![sample([], document.restored)],
        "enforcer_policy_reload" => {
            let reloads = document.reloads;
            [("success", reloads.applied), ("failure", reloads.refused)]
                .map(|(result, count)| sample([("result", result)], count))
                .into()
        }
        "enforcer_policy_generation" => vec![sample([], reading.generation)],
        "enforcer_policy_hash_info" => vec![sample([("sha256", &document.policy.sha256)], 1)],
        "enforcer_policy_last_reload_successful" => {
            vec![sample([], document.policy.reload_error.is_none().into())]
        }
        "enforcer_policy_last_reload_success_timestamp_seconds" => {
            let seconds = document.policy.loaded_at.as_second();
            vec![sample([], u64::try_from(seconds).unwrap_or(0))]
        }
        _ => Vec::new(),
    }
}

fn verdicts(reading: &Reading, value: impl Fn(&Counter) -> u64) -> Vec<Sample> {
    let totals = &reading.totals;
    let all = [
        ("allow", "ipv4", &totals.allowed_v4),
        ("allow", "ipv6", &totals.allowed_v6),
        ("deny", "ipv4", &totals.denied_v4),
        ("deny", "ipv6", &totals.denied_v6),
    ];
    all.map(|(verdict, family, counter)| {
        sample([("verdict", verdict), ("family", family)], value(counter))
    })
    .into()
}

fn drops(reading: &Reading, value: impl Fn(&Counter) -> u64) -> Vec<Sample> {
    // Zeros as well: of a series that begins with its first drop, no rate has that drop.
    let reasons = Reason::ALL.iter().filter(|reason| **reason != Reason::Implicit);
    let counted = |reason: &Reason| reading.drops.iter().find(|(counted, _)| counted == reason);
    reasons
        .map(|reason| {
            let packets = counted(reason).map_or(0, |(_, counter)| value(counter));
            sample([("reason", reason.as_str())], packets)
        })
        .collect()
}

fn rules(reading: &Reading, value: impl Fn(&Counter) -> u64) -> Vec<Sample> {
    let rules = reading.document.rules.iter().zip(&reading.rules);
    rules
        .map(|(rule, counter)| {
            sample([("rule", &rule.name), ("action", &rule.action)], value(counter))
        })
        .collect()
}

fn implicit(reading: &Reading, value: impl Fn(&Counter) -> u64) -> Vec<Sample> {
    let implicit = reading.implicit.iter();
    implicit.map(|(rule, counter)| sample([("rule", rule.as_str())], value(counter))).collect()
}
