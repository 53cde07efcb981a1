//! How fast names may begin.

use std::time::Duration;

/// Between two names: a thousand in a second. Each is two queries to each server, so that a server
/// gets 2,000 at most, which every resolver bears; what is sent again over TCP comes on top.
const INTERVAL: Duration = Duration::from_millis(1);
/// Names begun at once after a pause.
const BURST: u32 = 100;

/// A bucket of tokens, kept as the time at which it would be full but for the burst.
#[derive(Debug, Default)]
pub(super) struct Pace {
    paced: Duration,
}

impl Pace {
    /// When a name that is due may begin.
    pub(super) fn earliest(&self, due: Duration) -> Duration {
        due.max(self.paced)
    }

    /// A name begins.
    pub(super) fn spend(&mut self, now: Duration) {
        self.paced = self.paced.max(now.saturating_sub(INTERVAL * BURST)) + INTERVAL;
    }
}
