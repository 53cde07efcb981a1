//! The process that is one pod after the other.

use std::{
    collections::VecDeque,
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::{PORT, address, uid};
use crate::cgroup;

/// Pods that are there at the same time.
const ALIVE: usize = 50;
/// How long a rule may take to hold.
const PATIENCE: Duration = Duration::from_secs(5);
/// The slice of all pods, as a kubelet makes it below another slice.
const ALL: &str = "workload-kubepods";

/// So many pods.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(super) pods: u16,
    pub(super) per_second: u16,
    /// Milliseconds before the first packet of every other pod.
    pub(super) wait: u16,
}

/// What they met.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Pods that there were.
    pub pods: u16,
    /// First packets refused of those that sent at once.
    pub refused_at_once: u16,
    /// First packets refused of those that waited.
    pub refused_later: u16,
    /// Pods whose packets were refused all the time.
    pub never: u16,
    /// Pods that could send to another pod's address.
    pub reached: u16,
    /// Of those that sent at once: microseconds from the making of the pod's cgroup until a packet
    /// passed, sorted.
    pub micros: Vec<u64>,
}

impl Task {
    /// Does it, in the calling process.
    pub(crate) fn act(&self) -> anyhow::Result<Report> {
        let home = own_cgroup()?;
        let all = home.join(format!("{ALL}.slice"));
        fs::create_dir(&all).with_context(|| format!("make cgroup {}", all.display()))?;
        let mut report = Report { pods: self.pods, ..Report::default() };
        let mut alive = VecDeque::new();
        let begin = Instant::now();
        for number in 0..self.pods {
            let due = begin + Duration::from_secs(1) * number.into() / self.per_second.into();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            alive.push_back(self.be(number, &all, &mut report)?);
            cgroup::join(&home)?;
            if alive.len() > ALIVE {
                remove(alive.pop_front())?;
            }
        }
        while !alive.is_empty() {
            remove(alive.pop_front())?;
        }
        fs::remove_dir(&all).context("remove the cgroup of all pods")?;
        report.micros.sort_unstable();
        Ok(report)
    }

    /// Is one pod, and gives its cgroup.
    fn be(&self, number: u16, all: &Path, report: &mut Report) -> anyhow::Result<PathBuf> {
        let pod = all.join(format!("{ALL}-pod{}.slice", uid(number).replace('-', "_")));
        let container = pod.join(format!("cri-containerd-{number:064x}.scope"));
        let made = Instant::now();
        fs::create_dir(&pod).with_context(|| format!("make cgroup {}", pod.display()))?;
        fs::create_dir(&container).context("make a container's cgroup")?;
        cgroup::join(&container)?;
        let is_quick = number.is_multiple_of(2);
        if !is_quick {
            let due = made + Duration::from_millis(self.wait.into());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("make a socket")?;
        let mut is_passed = passes(&socket, address(number))?;
        if !is_passed {
            *(if is_quick { &mut report.refused_at_once } else { &mut report.refused_later }) += 1;
        }
        while !is_passed && made.elapsed() < PATIENCE {
            is_passed = passes(&socket, address(number))?;
        }
        if !is_passed {
            report.never += 1;
        } else if is_quick {
            report.micros.push(u64::try_from(made.elapsed().as_micros())?);
        }
        let other = if number == 0 { self.pods - 1 } else { number - 1 };
        report.reached += u16::from(passes(&socket, address(other))?);
        Ok(pod)
    }
}

/// Whether a datagram is let go.
fn passes(socket: &UdpSocket, to: Ipv4Addr) -> anyhow::Result<bool> {
    match socket.send_to(b"ping", (to, PORT)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => bail!("send to {to}: {error}"),
    }
}

fn remove(pod: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(pod) = pod else { return Ok(()) };
    for child in fs::read_dir(&pod).context("list a pod's cgroup")?.flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir(child.path()).context("remove a container's cgroup")?;
        }
    }
    fs::remove_dir(&pod).context("remove a pod's cgroup")
}

/// The directory of the cgroup that this process is in.
fn own_cgroup() -> anyhow::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").context("read the own cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let root = cgroup::root().context("find a cgroup2 mount")?;
    Ok(root.join(path.context("read the own cgroup: none of version 2")?))
}
