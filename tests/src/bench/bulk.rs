//! One TCP connection, both ends of which are one thread's.
//!
//! So nobody waits for anybody: what is written has arrived when the call returns.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::{
    libc,
    sys::socket::{SockaddrStorage, connect, setsockopt, sockopt},
};

use super::{clock::Stopwatch, sender::Spent};
use crate::{Insider, Rig, service};

/// Bytes of a call: as many as one GSO packet carries, nearly.
const CHUNK: usize = 64 << 10;
const CHUNKS_OF_MEGABYTE: u32 = 16;
/// Room at both ends for more than is ever under way.
const BUFFER_BYTES: usize = 4 << 20;
/// Megabytes after which windows and buffers have grown.
const WARM_UP: u32 = 16;

/// Both ends.
pub(super) struct Bulk {
    near: TcpStream,
    far: TcpStream,
    bytes: Vec<u8>,
}

impl Bulk {
    pub(super) fn begin(rig: &Rig, insider: &Insider, to: SocketAddr) -> anyhow::Result<Self> {
        let listener =
            rig.world.run(|| TcpListener::bind(to).with_context(|| format!("bind {to}")))?;
        setsockopt(&listener, sockopt::RcvBufForce, &BUFFER_BYTES).context("enlarge a buffer")?;
        let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let near = insider.socket_of([family, libc::SOCK_STREAM, 0])?;
        setsockopt(&near, sockopt::SndBufForce, &BUFFER_BYTES).context("enlarge a buffer")?;
        connect(near.as_raw_fd(), &SockaddrStorage::from(to))
            .with_context(|| format!("connect to {to}"))?;
        let (far, _) = listener.accept().context("accept")?;
        let near = TcpStream::from(near);
        service::set_patience(&far, super::sender::PATIENCE)?;
        let mut bulk = Self { near, far, bytes: vec![0x55; CHUNK] };
        bulk.send(WARM_UP)?;
        Ok(bulk)
    }

    /// Carries so many megabytes.
    pub(super) fn send(&mut self, megabytes: u32) -> anyhow::Result<Spent> {
        let watch = Stopwatch::start()?;
        for _ in 0..megabytes * CHUNKS_OF_MEGABYTE {
            self.near.write_all(&self.bytes).context("write")?;
            self.far.read_exact(&mut self.bytes).context("read at the far end")?;
        }
        Ok(Spent { units: megabytes, time: watch.stop()? })
    }
}
