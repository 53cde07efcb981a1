//! The kernel's counters as `enforcer status` shows them, and which of them moved.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

/// The reason of a drop that a deny rule decided: the rule's own counter says which.
const BY_RULE: &str = "rule";

/// Packets by rule, implicit rule and reason of a drop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counters(BTreeMap<String, u64>);

/// Counters that are higher than they were, and by how many packets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved(BTreeMap<String, u64>);

#[derive(Deserialize)]
struct Status {
    rules: Vec<Counter>,
    implicit: Vec<Counter>,
    drops: Vec<Counter>,
}

#[derive(Deserialize)]
struct Counter {
    #[serde(alias = "reason")]
    name: String,
    packets: u64,
}

impl Counters {
    /// Reads `status -o json`.
    pub(super) fn read(status: &Value) -> anyhow::Result<Self> {
        let status = Status::deserialize(status).context("read `enforcer status -o json`")?;
        let all = status.rules.into_iter().chain(status.implicit).chain(status.drops);
        Ok(Self(all.map(|counter| (counter.name, counter.packets)).collect()))
    }

    pub(super) fn moved_since(&self, before: &Self) -> Moved {
        let moved = self.0.iter().filter_map(|(name, packets)| {
            let packets = packets - before.0.get(name).copied().unwrap_or(0).min(*packets);
            (packets > 0).then(|| (name.clone(), packets))
        });
        Moved(moved.collect())
    }
}

impl Moved {
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).filter(|name| *name != BY_RULE).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::Counters;

    #[test]
    fn tells_what_moved_and_leaves_out_what_did_not() {
        let status = |ntp: u64, dropped: u64| {
            Counters::read(&json!({
                "rules": [{"name": "ntp", "packets": ntp}, {"name": "ping", "packets": 3}],
                "implicit": [{"name": "dns", "packets": 8}],
                "drops": [{"reason": "no-rule", "packets": dropped}, {"reason": "rule", "packets": dropped}],
            }))
            .unwrap()
        };

        assert_eq!(status(2, 1).moved_since(&status(1, 1)).names(), BTreeSet::from(["ntp"]));
        assert_eq!(status(1, 2).moved_since(&status(1, 1)).names(), BTreeSet::from(["no-rule"]));
        assert!(status(1, 1).moved_since(&status(1, 1)).names().is_empty());
    }

    #[test]
    fn refuses_what_is_no_status() {
        assert!(Counters::read(&json!({"rules": []})).is_err());
    }
}
