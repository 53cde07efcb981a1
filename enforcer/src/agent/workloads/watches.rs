//! Watches on directories of the cgroup tree.

use std::{collections::BTreeMap, future, io, os::fd::AsFd as _, path::Path, sync::Arc, thread};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};
use tokio::sync::mpsc;

use crate::workload::Place;

/// Reads that may wait for the agent; what comes meanwhile waits in the kernel, which tells when it
/// has lost some.
const WAITING: usize = 16;
/// How often the reader looks whether it is still wanted.
const PATIENCE_MS: u16 = 1_000;

/// What has happened.
pub(super) enum News {
    /// A directory was made or removed.
    Of {
        /// Its path, as a policy writes it.
        path: String,
        /// Where it is.
        place: Place,
    },
    /// More than the kernel keeps.
    Lost,
}

/// The directories that are watched.
pub(super) struct Watches {
    /// `None` until something is watched, and where the kernel has no instance left.
    reader: Option<Reader>,
    watched: BTreeMap<WatchDescriptor, (String, Place)>,
    /// Whether every directory is watched that should be.
    are_complete: bool,
    /// A lack is told once, not with each look.
    has_complained: bool,
}

/// An inotify instance, and what a thread of its own has read from it.
struct Reader {
    inotify: Arc<Inotify>,
    coming: mpsc::Receiver<Vec<InotifyEvent>>,
    /// Read, and not yet taken.
    waiting: Vec<InotifyEvent>,
}

impl Watches {
    /// Watches nothing yet.
    pub(super) const fn new() -> Self {
        Self { reader: None, watched: BTreeMap::new(), are_complete: true, has_complained: false }
    }

    /// A look at the whole tree begins: each directory is added anew.
    pub(super) fn begin(&mut self) {
        self.are_complete = true;
    }

    pub(super) const fn are_complete(&self) -> bool {
        self.are_complete
    }

    /// Watches a directory; one that is watched already is the same watch.
    pub(super) fn add(&mut self, directory: &Path, path: &str, place: &Place) {
        // Of a cgroup's files many change all the time; only directories are asked for.
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
        let added = match &self.reader {
            Some(reader) => Ok(reader),
            None => Reader::start().map(|reader| &*self.reader.insert(reader)),
        }
        .and_then(|reader| Ok(reader.inotify.add_watch(directory, flags)?));
        match added {
            Ok(watch) => {
                self.watched.insert(watch, (path.to_owned(), place.clone()));
            }
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                self.are_complete = false;
                if !self.has_complained {
                    self.has_complained = true;
                    tracing::warn!(
                        %error, directory = %directory.display(),
                        "watch cgroups; looking every second instead (sysctl \
                         fs.inotify.max_user_watches and max_user_instances)"
                    );
                }
            }
        }
    }

    /// Forgets the watches of a directory and of all below it; the kernel ends those of what is
    /// removed by itself.
    pub(super) fn forget(&mut self, path: &str) {
        let below = format!("{path}/");
        self.watched.retain(|_, (watched, _)| watched != path && !watched.starts_with(&below));
    }

    /// Returns when there are news. May be dropped and called again without losing any.
    pub(super) async fn changed(&mut self) {
        let Some(reader) = &mut self.reader else { return future::pending().await };
        match reader.coming.recv().await {
            Some(events) => reader.waiting.extend(events),
            None => future::pending().await,
        }
    }

    /// All news that wait.
    pub(super) fn take(&mut self) -> Vec<News> {
        let Some(reader) = &mut self.reader else { return Vec::new() };
        let mut events = std::mem::take(&mut reader.waiting);
        while let Ok(more) = reader.coming.try_recv() {
            events.extend(more);
        }
        let mut all = Vec::new();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return vec![News::Lost];
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.watched.remove(&event.wd);
                continue;
            }
            // A policy is UTF-8: a name that is not can be no selector's.
            let name = event.name.as_deref().and_then(|name| name.to_str());
            let (Some(name), Some((above, place))) = (name, self.watched.get(&event.wd)) else {
                continue;
            };
            if event.mask.contains(AddWatchFlags::IN_ISDIR) {
                all.push(News::Of { path: format!("{above}/{name}"), place: place.below(name) });
            }
        }
        all
    }
}

impl Reader {
    /// Starts the thread, which sleeps while nothing comes and ends soon after this is dropped.
    fn start() -> io::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Arc::new(Inotify::init(flags)?);
        let (sender, coming) = mpsc::channel(WAITING);
        let source = Arc::clone(&inotify);
        let read = move || {
            while !sender.is_closed() {
                match source.read_events() {
                    Ok(events) => drop(sender.blocking_send(events)),
                    Err(Errno::EAGAIN) => {
                        let mut polled = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
                        // Whatever it says, the next read tells.
                        let _: Result<_, _> = poll(&mut polled, PollTimeout::from(PATIENCE_MS));
                    }
                    Err(Errno::EINTR) => {}
                    Err(error) => {
                        tracing::error!(%error, "read news of cgroups");
                        return;
                    }
                }
            }
        };
        thread::Builder::new().name("cgroups".to_owned()).spawn(read)?;
        Ok(Self { inotify, coming, waiting: Vec::new() })
    }
}
