//! Datagrams in a row.

use std::{
    io::IoSlice,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use super::{clock::Stopwatch, sender::Spent};

/// Datagrams that one system call sends (sendmmsg(2)), so that entering the kernel weighs little.
pub(super) const BATCH: usize = 64;
/// Bytes of a datagram: those of a small question, or a sample of sound.
const PAYLOAD: [u8; 32] = [0x55; 32];

type Batch = Vec<Option<SockaddrStorage>>;

/// A socket, and where it sends.
pub(super) struct Flood {
    socket: UdpSocket,
    batches: Vec<Batch>,
    /// The next of them.
    turn: usize,
}

impl Flood {
    /// One that sends to where its socket is connected to.
    pub(super) fn connected(socket: UdpSocket) -> Self {
        Self::new(socket, vec![vec![None; BATCH]])
    }

    /// One that sends to each destination in turn.
    pub(super) fn unconnected(socket: UdpSocket, destinations: &[SocketAddr]) -> Self {
        let count = destinations.len().next_multiple_of(BATCH);
        let all: Batch = destinations
            .iter()
            .cycle()
            .take(count)
            .map(|it| Some(SockaddrStorage::from(*it)))
            .collect();
        Self::new(socket, all.chunks(BATCH).map(<[_]>::to_vec).collect())
    }

    fn new(socket: UdpSocket, batches: Vec<Batch>) -> Self {
        Self { socket, batches, turn: 0 }
    }

    /// Sends at least so many, in whole batches.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub(super) fn send(&mut self, packets: u32) -> anyhow::Result<Spent> {
        let parts = [IoSlice::new(&PAYLOAD)];
        let messages = [&parts; BATCH];
        let mut sent = 0;
        // Pointers, which no other thread can be handed.
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let watch = Stopwatch::start()?;
        while sent < packets {
            let batch = self.batches.get(self.turn).context("find a batch")?;
            self.turn = (self.turn + 1) % self.batches.len();
            let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let done = sendmmsg(socket, &mut headers, messages, batch, [], flags)
                .context("send datagrams")?;
            let done = done.count();
            anyhow::ensure!(done == BATCH, "send {BATCH} datagrams: {done} were sent");
            sent += u32::try_from(done)?;
        }
        Ok(Spent { units: sent, time: watch.stop()? })
    }
}
