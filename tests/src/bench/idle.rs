//! An agent that has nothing to do.

use std::{fmt, fs, thread, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use super::allowlist::Allowlist;
use crate::{Rig, probe::Family};

/// Addresses of its policy.
const ADDRESSES: u32 = 1_000;
/// Behind the start's last work.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// What such an agent uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Idle {
    /// For how long it was looked at.
    pub seconds: u32,
    /// What it used of a processor meanwhile, in microseconds, all its threads together.
    pub processor_us: u64,
    /// Its resident memory.
    pub resident_bytes: u64,
    /// Addresses of its policy.
    pub addresses: u32,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, processor_us, resident_bytes, addresses } = self;
        let busy = Duration::from_micros(*processor_us).as_secs_f64();
        let percent = busy * 100.0 / f64::from(*seconds);
        let kilobytes = resident_bytes / 1024;
        write!(
            f,
            "an idle agent, {addresses} addresses: {processor_us} us of a processor in {seconds} s \
             ({percent:.3} %), {kilobytes} KiB resident"
        )
    }
}

/// Looks at one for so many seconds.
pub(super) fn measure(seconds: u32) -> anyhow::Result<Idle> {
    let rig = Rig::make()?;
    let agent = rig.agent(&Allowlist::new(ADDRESSES, Family::V4).policy(1))?;
    thread::sleep(SETTLED_AFTER);
    let before = processor_ns(agent.pid())?;
    thread::sleep(Duration::from_secs(seconds.into()));
    let used = processor_ns(agent.pid())?.saturating_sub(before);
    let resident_bytes = agent.memory().context("read the agent's memory")?;
    Ok(Idle { seconds, processor_us: used / 1_000, resident_bytes, addresses: ADDRESSES })
}

/// What the threads of a process have used: the first of three numbers
/// (Documentation/scheduler/sched-stats.rst), which is exact to the nanosecond.
fn processor_ns(pid: u32) -> anyhow::Result<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).context("list an agent's threads")?;
    let mut sum = 0;
    for thread in threads {
        let path = thread.context("list an agent's threads")?.path().join("schedstat");
        let text = fs::read_to_string(path).context("read what a thread has used")?;
        let used = text.split_whitespace().next().unwrap_or_default();
        sum += used.parse::<u64>().context("read what a thread has used")?;
    }
    Ok(sum)
}
