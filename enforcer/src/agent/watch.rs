//! Tells when the policy file may have changed.
//!
//! The directory is watched, not the file: an editor replaces the file and a `ConfigMap` swaps a
//! symlink, after which a watch on the file would look at what is gone. Events only say "look
//! again"; whether anything changed is for the reader to see. A poll covers file systems that
//! send no events.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use notify::Watcher as _;
use tokio::{sync::mpsc, time::Instant};

/// Between a first event and the look: a swap is several events.
const SETTLE: Duration = Duration::from_millis(200);
/// How often to look without an event.
const POLL: Duration = Duration::from_secs(60);

/// A watch on a file's directory.
pub(super) struct Watch {
    events: mpsc::Receiver<()>,
    _watcher: Option<notify::RecommendedWatcher>,
    next_look: Instant,
}

impl Watch {
    /// Watches. Where the kernel refuses (no inotify instances left), only the poll remains.
    pub(super) fn on(file: &Path) -> Self {
        // One waiting event is as good as many.
        let (sender, events) = mpsc::channel(1);
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // Full means that a look is due already.
                let _: Result<(), _> = sender.try_send(());
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(&directory, notify::RecursiveMode::NonRecursive)?;
            Ok(watcher)
        })
        .inspect_err(|error| {
            tracing::warn!(%error, "watch the policy's directory; looking every {POLL:?} instead");
        })
        .ok();
        Self { events, _watcher: watcher, next_look: Instant::now() + POLL }
    }

    /// Returns when it is time to look. May be dropped and called again without losing an event.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::select! {
                Some(()) = self.events.recv() => self.next_look = Instant::now() + SETTLE,
                () = tokio::time::sleep_until(self.next_look) => break,
            }
        }
        self.next_look = Instant::now() + POLL;
    }
}
