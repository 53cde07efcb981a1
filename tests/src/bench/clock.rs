//! How long a thread has been on its processor.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// Times one thread: what passes, without the time in which it waited for a processor since
/// another process had it.
///
/// The kernel's own count of a thread's time leaves out what is done for it in soft interrupts, on
/// kernels that account those apart (`CONFIG_IRQ_TIME_ACCOUNTING`); the far end's half of
/// everything is done there.
pub(super) struct Stopwatch {
    begun: Instant,
    waited: Duration,
}

impl Stopwatch {
    pub(super) fn start() -> anyhow::Result<Self> {
        let waited = waited()?;
        Ok(Self { begun: Instant::now(), waited })
    }

    pub(super) fn stop(self) -> anyhow::Result<Duration> {
        let passed = self.begun.elapsed();
        Ok(passed.saturating_sub(waited()?.saturating_sub(self.waited)))
    }
}

/// How long this thread has waited for a processor: the second of three numbers
/// (Documentation/scheduler/sched-stats.rst). A kernel that does not count it says nothing or 0.
fn waited() -> anyhow::Result<Duration> {
    let Ok(text) = fs::read_to_string("/proc/thread-self/schedstat") else {
        return Ok(Duration::ZERO);
    };
    let nanoseconds =
        text.split_whitespace().nth(1).context("read how long a thread has waited")?;
    Ok(Duration::from_nanos(nanoseconds.parse().context("read how long a thread has waited")?))
}

/// Keeps the calling thread on one of the processors that it may use.
pub(super) fn pin(number: usize) -> anyhow::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("read which processors there are")?;
    let usable: Vec<usize> =
        (0..CpuSet::count()).filter(|it| allowed.is_set(*it).unwrap_or(false)).collect();
    let chosen = usable.iter().cycle().nth(number).context("find a processor")?;
    let mut only = CpuSet::new();
    only.set(*chosen).context("choose a processor")?;
    sched_setaffinity(this, &only).context("keep a thread on a processor")
}
