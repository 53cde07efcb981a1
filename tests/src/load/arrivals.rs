//! What arrives, number by number.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use nix::sys::socket::{setsockopt, sockopt};

use super::lane::{Lane, PORT};
use crate::{
    netns::Netns,
    service::{Service, wake_up},
};

/// Room for what waits to be read: seconds, at the highest rate.
const BUFFER_BYTES: usize = 256 << 20;
/// Numbers in one word of a [`Numbers`].
const WORD: u64 = 64;

/// Who counts at the far side.
pub(super) struct Arrivals {
    lanes: BTreeMap<Lane, Arc<Mutex<Numbers>>>,
    _services: Vec<Service>,
}

/// A set of numbers.
#[derive(Debug, Default, Clone)]
pub(super) struct Numbers {
    words: Vec<u64>,
    count: u64,
}

impl Numbers {
    pub(super) fn contains(&self, number: u64) -> bool {
        let index = usize::try_from(number / WORD).unwrap_or(usize::MAX);
        self.words.get(index).is_some_and(|word| word & (1 << (number % WORD)) != 0)
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    fn insert(&mut self, number: u64) {
        let Ok(index) = usize::try_from(number / WORD) else { return };
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        if !self.contains(number)
            && let Some(word) = self.words.get_mut(index)
        {
            *word |= 1 << (number % WORD);
            self.count += 1;
        }
    }
}

impl Arrivals {
    pub(super) fn start(world: &Netns, lanes: &[Lane]) -> anyhow::Result<Self> {
        let mut numbers = BTreeMap::new();
        let mut services = Vec::new();
        for lane in lanes {
            let address = SocketAddr::new(lane.address(), PORT);
            let socket = world
                .run(|| UdpSocket::bind(address).with_context(|| format!("bind {address}")))?;
            setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_BYTES)
                .context("enlarge a socket's buffer")?;
            wake_up(&socket)?;
            let arrived = Arc::new(Mutex::new(Numbers::default()));
            numbers.insert(*lane, Arc::clone(&arrived));
            services.push(Service::start(move |stop| {
                let mut buffer = [0; 64];
                while !stop.is_asked() {
                    let Ok(length) = socket.recv(&mut buffer) else { continue };
                    let bytes = buffer.get(..length).and_then(<[u8]>::first_chunk);
                    if let Some(bytes) = bytes {
                        lock(&arrived).insert(u64::from_ne_bytes(*bytes));
                    }
                }
            }));
        }
        Ok(Self { lanes: numbers, _services: services })
    }

    /// How many numbers of a lane have arrived.
    pub(super) fn count(&self, lane: Lane) -> u64 {
        self.lanes.get(&lane).map_or(0, |numbers| lock(numbers).count())
    }

    /// The numbers of a lane that have arrived.
    pub(super) fn of(&self, lane: Lane) -> Numbers {
        self.lanes.get(&lane).map(|numbers| lock(numbers).clone()).unwrap_or_default()
    }
}

/// Datagrams that arrived at a namespace's sockets and found no room: the last column.
pub(super) fn overflown(world: &Netns) -> anyhow::Result<u64> {
    world.run(|| {
        let path = "/proc/thread-self/net/udp";
        let table = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
        let last = table.lines().skip(1).filter_map(|line| line.split_whitespace().last());
        Ok(last.filter_map(|text| text.parse::<u64>().ok()).sum())
    })
}

fn lock(numbers: &Mutex<Numbers>) -> MutexGuard<'_, Numbers> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
}
