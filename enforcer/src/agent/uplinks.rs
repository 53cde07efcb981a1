//! The agent's side of uplinks: attaches to them at the start, follows them from then on.

use anyhow::Context as _;

use super::{Agent, report};
use crate::{
    datapath::{self, UplinkChange, document::UplinkInfo},
    uplink::Found,
};

impl Agent {
    /// Attaches everything.
    pub(super) async fn attach(&mut self) -> anyhow::Result<()> {
        // Looked up again: names were waited for, and devices may have come meanwhile.
        let found = self.uplinks.find().await.context("find the devices of --tc")?;
        let change = self.enforcement.attach(&found.uplinks)?;
        self.note_uplinks(&found, &change);
        if self.enforcement.datapath.is_watching() {
            tracing::info!(
                seconds = datapath::WATCH.as_secs(),
                "watching beside the start before, whose maps are laid out otherwise"
            );
            tokio::time::sleep(datapath::WATCH).await;
            self.enforcement.end_watch()?;
        }
        self.beat()
    }

    /// Judges what has become an uplink, and no longer what is none.
    pub(super) async fn follow_uplinks(&mut self) {
        let found = match self.uplinks.find().await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "find uplinks"
                );
                return;
            }
        };
        let change = match self.enforcement.datapath.judge_uplinks(&found.uplinks) {
            Ok(change) => change,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "judge the uplinks");
                return;
            }
        };
        for name in &change.added {
            tracing::info!(%name, "judging an uplink");
        }
        for name in &change.removed {
            tracing::warn!(%name, "an uplink is gone");
        }
        if self.note_uplinks(&found, &change) {
            self.log_failure("write the state", Self::beat);
        }
    }

    /// Keeps what `status` tells of them; whether that is news.
    fn note_uplinks(&mut self, found: &Found, change: &UplinkChange) -> bool {
        let present = found.uplinks.iter().map(|it| (it.name.clone(), it.index));
        let missing = found.missing.iter().map(|name| (name.clone(), 0));
        let uplinks: Vec<UplinkInfo> =
            present.chain(missing).map(|(name, index)| UplinkInfo { name, index }).collect();
        let unreadable = found.unreadable.iter().map(|(name, hardware)| {
            format!(
                "what leaves by {name} is not judged there: no program reads frames of hardware \
                 type {hardware}"
            )
        });
        let failed = change.failed.iter().map(|(name, error)| {
            format!("what leaves by {name} is not judged there: {}", report::chain(error))
        });
        let unjudged: Vec<String> = unreadable.chain(failed).collect();
        let is_news =
            uplinks != self.circumstances.uplinks || unjudged != self.circumstances.unjudged;
        if is_news {
            for problem in &unjudged {
                tracing::error!("{problem}");
            }
        }
        self.circumstances.uplinks = uplinks;
        self.circumstances.unjudged = unjudged;
        is_news
    }

    /// For the log.
    pub(super) fn uplink_names(&self) -> String {
        let uplinks = self.circumstances.uplinks.iter().filter(|uplink| uplink.index != 0);
        let names: Vec<&str> = uplinks.map(|uplink| uplink.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(",") }
    }
}
