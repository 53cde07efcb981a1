//! Connections: some that are made all the while, and some that go on.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    libc,
    sys::{
        socket::{setsockopt, sockopt},
        time::TimeVal,
    },
};

use super::{
    counts::StreamCount,
    lane::{Lane, PORT},
};
use crate::{
    Insider, Peer, Rig,
    insider::Kind,
    race::socket::{Attempt, attempt, repeated},
    service::{Service, Stop},
};

/// Between two connections.
const BREAK: Duration = Duration::from_millis(200);
/// Between two exchanges on one that goes on.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a connection is waited for, in seconds: a lost SYN is sent again after one.
const PATIENCE_SECS: i64 = 5;

/// The threads that do it.
pub(super) struct Streams {
    counts: Arc<Mutex<StreamCount>>,
    going_on: Vec<TcpStream>,
    services: Vec<Service>,
    _peer: Peer,
}

impl Streams {
    pub(super) fn start(rig: &Rig, lanes: &[Lane]) -> anyhow::Result<Self> {
        let peer = Peer::tcp(&rig.world, PORT)?;
        let counts = Arc::new(Mutex::new(StreamCount::default()));
        let mut services = Vec::new();
        let mut going_on = Vec::new();
        let lanes: Vec<_> = lanes.iter().copied().filter(|lane| lane.is_allowed()).collect();
        for lane in &lanes {
            let insider = rig.insider(&rig.client)?;
            let stream = insider.stream(SocketAddr::new(lane.address(), PORT))?;
            let used = stream.try_clone().context("share a connection")?;
            let noted = Arc::clone(&counts);
            services.push(Service::start(move |stop| exchange(used, &noted, &stop)));
            going_on.push(stream);
        }
        let insider = rig.insider(&rig.client)?;
        let noted = Arc::clone(&counts);
        services.push(Service::start(move |stop| connect(&insider, &lanes, &noted, &stop)));
        Ok(Self { counts, going_on, services, _peer: peer })
    }

    pub(super) fn finish(self) -> anyhow::Result<StreamCount> {
        drop(self.services);
        let mut counts = *lock(&self.counts);
        for stream in &self.going_on {
            counts.resent += u64::from(repeated(stream).context("look at a connection")?);
        }
        Ok(counts)
    }
}

/// Sends a number and wants it back, until there is an end.
fn exchange(mut stream: TcpStream, counts: &Mutex<StreamCount>, stop: &Stop) {
    let mut number = 0_u64;
    while !stop.is_asked() {
        let mut back = [0; 8];
        let outcome =
            stream.write_all(&number.to_ne_bytes()).and_then(|()| stream.read_exact(&mut back));
        if outcome.is_err() || u64::from_ne_bytes(back) != number {
            lock(counts).ended += 1;
            return;
        }
        lock(counts).exchanges += 1;
        number += 1;
        thread::sleep(PAUSE);
    }
}

/// Connects to each destination in turn.
fn connect(insider: &Insider, lanes: &[Lane], counts: &Mutex<StreamCount>, stop: &Stop) {
    for lane in lanes.iter().cycle() {
        if stop.is_asked() {
            return;
        }
        let outcome = one(insider, SocketAddr::new(lane.address(), PORT));
        let mut counts = lock(counts);
        counts.tried += 1;
        if let Ok(Attempt::Connected { repeated, .. }) = outcome {
            counts.made += 1;
            counts.repeated += u64::from(repeated);
        }
        drop(counts);
        thread::sleep(BREAK);
    }
}

fn one(insider: &Insider, to: SocketAddr) -> anyhow::Result<Attempt> {
    let stream = insider.socket(Kind::Tcp4)?;
    setsockopt(&stream, sockopt::SendTimeout, &TimeVal::new(PATIENCE_SECS, 0))?;
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    attempt(&stream, to).with_context(|| format!("connect to {to}"))
}

fn lock(counts: &Mutex<StreamCount>) -> MutexGuard<'_, StreamCount> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
