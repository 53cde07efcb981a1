//! TCP connections that are made and closed at once, by a process of the workload.
//!
//! It makes their sockets itself, as every program does: that is a hook of the enforcer's, too. It
//! accepts them as well, so both ends are one thread's and nobody waits for anybody.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, RawFd},
    process,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde::{Deserialize, Serialize};

use super::{
    clock::{self, Stopwatch},
    sender::Spent,
};
use crate::{Insider, Rig};

/// A process of the workload, and where it connects to.
pub(super) struct Connections {
    insider: Insider,
    listener: TcpListener,
    destinations: Vec<SocketAddr>,
}

/// What the process is asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// Who has the listening socket, and its number there.
    owner: i32,
    listener: RawFd,
    destinations: Vec<SocketAddr>,
    count: u32,
}

impl Connections {
    /// `any` has the port, and the family's address that stands for all.
    pub(super) fn begin(
        rig: &Rig,
        insider: Insider,
        any: SocketAddr,
        destinations: Vec<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let listener =
            rig.world.run(|| TcpListener::bind(any).with_context(|| format!("bind {any}")))?;
        Ok(Self { insider, listener, destinations })
    }

    /// Makes and closes so many.
    pub(super) fn send(&self, count: u32) -> anyhow::Result<Spent> {
        let task = Task {
            owner: i32::try_from(process::id()).context("read a process id")?,
            listener: self.listener.as_raw_fd(),
            destinations: self.destinations.clone(),
            count,
        };
        let nanoseconds = self.insider.connections(&serde_json::to_string(&task)?)?;
        let time = Duration::from_nanos(nanoseconds.parse().context("read a time")?);
        Ok(Spent { units: count, time })
    }
}

/// Does a task, in the process itself, and tells how many nanoseconds that took.
pub(crate) fn serve(task: &str) -> anyhow::Result<String> {
    let task: Task = serde_json::from_str(task).context("read a task")?;
    let owner = Pid::from_raw(task.owner).context("read a process id: it is 0")?;
    let owner = pidfd_open(owner, PidfdFlags::empty()).context("open a process")?;
    let listener = pidfd_getfd(&owner, task.listener, PidfdGetfdFlags::empty())
        .context("take over a socket")?;
    let listener = TcpListener::from(listener);
    clock::pin(0)?;
    let destinations = task.destinations.iter().cycle();
    let watch = Stopwatch::start()?;
    for to in destinations.take(usize::try_from(task.count)?) {
        let near = TcpStream::connect(to).with_context(|| format!("connect to {to}"))?;
        let (far, _) = listener.accept().context("accept")?;
        drop(near);
        drop(far);
    }
    Ok(watch.stop()?.as_nanos().to_string())
}
