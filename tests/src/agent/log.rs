//! What a process writes, line by line, while it runs.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// The lines so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<String>,
    has_ended: bool,
}

impl Log {
    /// Reads to the end, in a thread that ends with its source.
    pub(super) fn of(source: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let writer = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                writer.inner().lines.push(line);
            }
            writer.inner().has_ended = true;
        });
        log
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.inner().lines.clone()
    }

    /// The lines behind the first `count`.
    pub(super) fn lines_after(&self, count: usize) -> Vec<String> {
        self.inner().lines.get(count..).unwrap_or_default().to_vec()
    }

    pub(super) fn length(&self) -> usize {
        self.inner().lines.len()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.inner().has_ended
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner().lines.join("\n"))
    }
}
