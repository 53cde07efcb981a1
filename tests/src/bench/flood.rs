//! Datagrams in a row, and what the thread that sends them has used of a processor.

use std::{
    io::IoSlice,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use rustix::time::{ClockId, clock_gettime};

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
    headers: MultiHeaders<SockaddrStorage>,
}

/// What came of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) sent: u32,
    pub(super) time: Duration,
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
        Self { socket, batches, turn: 0, headers: MultiHeaders::preallocate(BATCH, None) }
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
        let begun = processor_time()?;
        while sent < packets {
            let batch = self.batches.get(self.turn).context("find a batch")?;
            self.turn = (self.turn + 1) % self.batches.len();
            let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let done = sendmmsg(socket, &mut self.headers, messages, batch, [], flags)
                .context("send datagrams")?;
            let done = done.count();
            anyhow::ensure!(done == BATCH, "send {BATCH} datagrams: {done} were sent");
            sent += u32::try_from(done)?;
        }
        Ok(Spent { sent, time: processor_time()?.saturating_sub(begun) })
    }
}

/// What this thread has used of a processor, the kernel's part included.
fn processor_time() -> anyhow::Result<Duration> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
