//! A thread that serves until its owner goes.

use std::{
    net::SocketAddr,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::{
    socket::{setsockopt, sockopt},
    time::TimeVal,
};

/// How long a blocked call goes on after its owner has gone.
const BREATH: Duration = Duration::from_millis(50);

/// Says when to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A running thread, ended on drop.
#[derive(Debug)]
pub(crate) struct Service {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts a thread; it must look at its [`Stop`] whenever a call times out.
    pub(crate) fn start(serve: impl FnOnce(Stop) + Send + 'static) -> Self {
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        Self { stop, thread: Some(thread::spawn(move || serve(asked))) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; the test sees its effect.
            drop(thread.join());
        }
    }
}

/// Lets blocking calls on a socket come back in time to look at a [`Stop`].
pub(crate) fn wake_up(socket: &impl AsFd) -> anyhow::Result<()> {
    set_patience(socket, BREATH)
}

/// How long a receive or accept on a socket waits.
pub(crate) fn set_patience(socket: &impl AsFd, patience: Duration) -> anyhow::Result<()> {
    let seconds = i64::try_from(patience.as_secs()).context("wait so long")?;
    let value = TimeVal::new(seconds, i64::from(patience.subsec_micros()));
    setsockopt(socket, sockopt::ReceiveTimeout, &value).context("set a socket's time-out")
}

/// An IPv4 address that came over an IPv6 socket, as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
