//! The agent's side of the guard: says what somebody has taken away, and counts it.

use std::collections::BTreeMap;

use super::{Agent, report};
use crate::metrics::Health;

impl Agent {
    /// Puts back what somebody has taken out of the kernel.
    pub(super) async fn guard(&mut self) {
        if self.circumstances.is_unloaded {
            return;
        }
        let mut unread = Vec::new();
        let mut filters = BTreeMap::new();
        for index in self.enforcement.datapath.filtered_uplinks() {
            match self.uplinks.filters(index).await {
                Ok(found) => drop(filters.insert(index, found)),
                Err(error) => unread.push(format!(
                    "the filters of device {index} cannot be looked at: {}",
                    report::chain(&error)
                )),
            }
        }
        let guarded = self.enforcement.datapath.guard(&filters);
        if guarded.is_unloaded {
            self.circumstances.is_unloaded = true;
            self.health.send_replace(Health::Unloaded);
            tracing::error!(
                "somebody has unloaded everything: nothing is enforced until the agent starts again"
            );
            return;
        }
        for what in &guarded.restored {
            self.circumstances.restored += 1;
            tracing::error!(%what, "somebody has taken it away or replaced it; it is put back");
        }
        let failed = guarded.failed.into_iter().map(|(what, error)| {
            let error = anyhow::Error::from(error);
            format!("{what} is not as it should be, and cannot be put back: {error:#}")
        });
        let failed: Vec<String> = failed.chain(unread).collect();
        if failed != self.circumstances.not_restored {
            for problem in &failed {
                tracing::error!("{problem}");
            }
            self.circumstances.not_restored = failed;
        }
        if guarded.has_left_uplinks {
            self.follow_uplinks().await;
        }
    }
}
