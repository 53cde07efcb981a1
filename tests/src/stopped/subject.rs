//! One name, from the question to the end of its address.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{Client, GRACE, PORT, TTL};
use crate::{
    probe::Family,
    race::socket::{Query, ask},
};

/// The names' parent.
pub(super) const ZONE: &str = "stopped.test";
/// How much later than it should an address may be refused.
const LATE: Duration = Duration::from_secs(1);
/// How much later an address is given up that nobody refuses.
const NEVER: Duration = Duration::from_secs(10);
/// How long after its expiry an address is tried that was not in use.
const MARGIN: Duration = Duration::from_millis(100);

/// How an address is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// All the while.
    Steady,
    /// All the while, and its name is asked for again on the way.
    Renewed,
    /// Once, at the beginning.
    Once,
}

/// What came of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// All was as it should be.
    Right,
    /// Its address was open before it was asked for.
    OpenBefore,
    /// Its address was refused right behind the answer.
    NotOpened,
    /// Its address was refused before its time.
    Early,
    /// Its address was allowed after its time.
    Late,
}

/// A name that is being followed.
pub(super) struct Subject {
    pub(super) usage: Use,
    number: u32,
    to: SocketAddr,
    /// Before the question and behind the answer; the kernel has learned in between.
    asked: Instant,
    answered: Instant,
    is_renewed: bool,
}

impl Use {
    /// That of a number.
    pub(super) const fn of(number: u32) -> Self {
        match number % 3 {
            0 => Self::Steady,
            1 => Self::Renewed,
            _ => Self::Once,
        }
    }
}

impl Fate {
    /// Whether it is as it should be.
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right)
    }
}

impl Subject {
    /// Asks for a name, and tries its address before and behind that.
    pub(super) fn start(number: u32, client: &Client) -> anyhow::Result<Result<Self, Fate>> {
        let to = SocketAddr::new(address(number), PORT);
        if client.is_allowed(to)? {
            return Ok(Err(Fate::OpenBefore));
        }
        let (asked, answered) = client.ask(number)?;
        if !client.is_allowed(to)? {
            return Ok(Err(Fate::NotOpened));
        }
        let usage = Use::of(number);
        Ok(Ok(Self { usage, number, to, asked, answered, is_renewed: false }))
    }

    /// Tries once more, if it is time to; its fate where there is an end, and how long after its
    /// time the address was refused.
    pub(super) fn step(
        &mut self,
        client: &Client,
    ) -> anyhow::Result<Option<(Fate, Option<Duration>)>> {
        if self.usage == Use::Once {
            if self.answered.elapsed() < TTL + MARGIN {
                return Ok(None);
            }
            let fate = if client.is_allowed(self.to)? { Fate::Late } else { Fate::Right };
            return Ok(Some((fate, None)));
        }
        if self.usage == Use::Renewed && !self.is_renewed && self.answered.elapsed() > TTL / 2 {
            (self.asked, self.answered) = client.ask(self.number)?;
            self.is_renewed = true;
        }
        let life = TTL + GRACE;
        let (begun, is_allowed) = (Instant::now(), client.is_allowed(self.to)?);
        let age = begun.saturating_duration_since(self.answered);
        if is_allowed {
            // Followed beyond its time, to say by how much.
            return Ok((age > life + NEVER).then_some((Fate::Late, Some(NEVER))));
        }
        if self.asked.elapsed() < life {
            return Ok(Some((Fate::Early, None)));
        }
        let delay = age.saturating_sub(life);
        Ok(Some((if delay > LATE { Fate::Late } else { Fate::Right }, Some(delay))))
    }
}

impl Client {
    /// Whether a datagram is let go.
    fn is_allowed(&self, to: SocketAddr) -> anyhow::Result<bool> {
        match self.sending.send_to(b"ping", to) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error).with_context(|| format!("send to {to}")),
        }
    }

    /// Asks for a name; the times before and behind.
    fn ask(&self, number: u32) -> anyhow::Result<(Instant, Instant)> {
        let name = name(number);
        let [.., high, low] = number.to_be_bytes();
        let query = Query::new(u16::from_be_bytes([high, low]), &name, Family::V4);
        let asked = Instant::now();
        let (found, _) = ask(&self.asking, &query).with_context(|| format!("ask for {name}"))?;
        let answered = Instant::now();
        anyhow::ensure!(found == Some(address(number)), "{name} has the addresses {found:?}");
        Ok((asked, answered))
    }
}

/// The name of a number.
pub(super) fn name(number: u32) -> String {
    format!("n{number}.{ZONE}")
}

/// The address of a number.
pub(super) fn address(number: u32) -> IpAddr {
    const FIRST: u32 = u32::from_be_bytes([198, 19, 0, 0]);
    IpAddr::V4(Ipv4Addr::from(FIRST + number))
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steady => "in use",
            Self::Renewed => "in use and asked for again",
            Self::Once => "used once",
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "opened at once and refused in time",
            Self::OpenBefore => "open before they were asked for",
            Self::NotOpened => "refused right behind the answer",
            Self::Early => "refused too early",
            Self::Late => "allowed for too long",
        })
    }
}
