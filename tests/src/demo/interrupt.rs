//! Ctrl-C and a polite kill: the demo's world goes with the demo.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};

use crate::rig::Remains;

/// How long the demo may take to notice; a row takes a second at most.
const GRACE: Duration = Duration::from_secs(3);

/// Signals that wait until somebody listens.
pub(super) struct Held(SigSet);

/// Says whether a signal came.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

/// Holds back what would end the process; to be called before it has a second thread, since
/// threads inherit this. Programs that it starts do not.
pub(super) fn hold() -> anyhow::Result<Held> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("hold back SIGINT")?;
    Ok(Held(signals))
}

impl Held {
    /// Waits beside the demo for a signal. The demo ends itself at its next step and so undoes
    /// what it made; where it hangs, this does it in its place.
    pub(super) fn watch(self, remains: Remains) -> Interrupt {
        let interrupt = Interrupt::default();
        let noted = interrupt.clone();
        thread::spawn(move || {
            if let Ok(signal) = self.0.wait() {
                noted.0.store(true, Ordering::Relaxed);
                thread::sleep(GRACE);
                remains.remove();
                // What a shell expects of a program that a signal ended.
                process::exit(128 + signal as i32);
            }
        });
        interrupt
    }
}

impl Interrupt {
    /// Ends the demo's next step if a signal came.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}
