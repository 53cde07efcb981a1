//! Forged answers, none of which may teach an address.
//!
//! A client waits for answers on sockets whose ports, transaction ids and questions are all known,
//! which is more than a forger has. Whatever it is sent differs from the right answer in one thing
//! only (a [`Forgery`]), and holds an address of a range that no server gives. Meanwhile the
//! client asks real questions, whose answers are learned.
//!
//! The surprising thing is the last message of each socket: an answer without a defect, from the
//! same forger, which *is* learned. Without it nothing would show that the socket was waiting.

mod client;
mod forger;
mod print;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

pub(crate) use self::client::Task;
pub use self::forger::Forgery;
use self::forger::{Forger, is_marked};
use crate::{
    race::{Report, Stage},
    responder::Form,
    wait,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Marked addresses that are tried at the end.
const TRIED: u32 = 200;
/// Room for the addresses of real questions.
const ADDRESSES: u32 = 200_000;

/// How many messages are forged.
#[derive(Debug, Clone, Args)]
pub struct Spoof {
    /// Forged messages, all kinds together
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=8_000_000))]
    pub messages: u32,
}

/// What came of them.
#[derive(Debug)]
pub struct Outcome {
    /// Messages sent, by their defect.
    pub sent: BTreeMap<Forgery, u64>,
    /// What `status` counts of answers that taught nothing, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// Questions that the kernel handed to the agent.
    pub handed_over: u64,
    /// Addresses of the marked range that stand for a name.
    pub marked: u64,
    /// Addresses that answers without a defect taught, from the same forger.
    pub right: u64,
    /// How many of those were sent.
    pub right_sent: u64,
    /// The real questions meanwhile.
    pub real: Report,
    /// Real addresses that stand for a name.
    pub real_known: u64,
    /// Attempts to connect to marked addresses.
    pub tries: Report,
    /// How long the sending took.
    pub took: Duration,
}

impl Spoof {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about what was learned.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let stage = Stage::make()?;
        let agent = stage.agent(ADDRESSES)?;
        let client = client::Running::start(&stage.rig)?;
        let forger = Forger::make(&stage.rig.world)?;
        let begun = std::time::Instant::now();
        let sent = forger.send(self.messages)?;
        let took = begun.elapsed();
        let right_sent = forger.send_without_defect()?;
        let is_right = |address: &IpAddr| forger::right_addresses().any(|it| it == *address);
        let mut addresses = Vec::new();
        // What is on the wire has arrived when the last message has.
        let waited = wait::until_true("the right answers to be learned", PATIENCE, || {
            addresses = agent.names().map(|names| listed(&names)).unwrap_or_default();
            addresses.iter().filter(|it| is_right(it)).count() as u64 == right_sent
        });
        drop(waited);
        let real = client.finish()?;
        addresses = listed(&agent.names()?);
        let status = agent.status()?;
        let tries = client::try_marked(&stage.rig, self.messages.min(TRIED))?;
        let count = |is: &dyn Fn(&IpAddr) -> bool| addresses.iter().filter(|it| is(it)).count();
        let right = count(&is_right) as u64;
        let marked = count(&|it| is_marked(*it)) as u64;
        Ok(Outcome {
            sent,
            ignored: ignored(&status)?,
            handed_over: status.pointer("/dns/handedOver").and_then(Value::as_u64).unwrap_or(0),
            marked,
            right,
            right_sent,
            real,
            real_known: addresses.len() as u64 - right - marked,
            tries,
            took,
        })
    }
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let real = &self.real;
        for (what, number) in [
            ("addresses learned from forged messages", self.marked),
            ("marked addresses that are open", self.tries.connected),
            ("marked addresses that nothing refused", self.tries.silent),
            ("real questions without an answer", real.unanswered),
            ("real addresses refused", real.refused + real.silent),
        ] {
            if number != 0 {
                faults.push(format!("{what}: {number}, not 0"));
            }
        }
        for (what, number, expected) in [
            ("right answers learned", self.right, self.right_sent),
            ("real addresses known", self.real_known, real.asked),
            (
                "counted as not-pending",
                self.counted("not-pending"),
                self.expected(Forgery::PENDING),
            ),
            (
                "counted as question-mismatch",
                self.counted("question-mismatch"),
                self.expected(Forgery::MISMATCH),
            ),
        ] {
            if number != expected {
                faults.push(format!("{what}: {number}, not {expected}"));
            }
        }
        faults
    }

    fn counted(&self, reason: &str) -> u64 {
        self.ignored.get(reason).copied().unwrap_or(0)
    }

    fn expected(&self, kinds: &[Forgery]) -> u64 {
        kinds.iter().filter_map(|kind| self.sent.get(kind)).sum()
    }
}

/// The addresses that `names` lists.
fn listed(names: &Value) -> Vec<IpAddr> {
    let entries = names.pointer("/addresses").and_then(Value::as_array);
    let texts = entries.into_iter().flatten().filter_map(|entry| entry.get("address")?.as_str());
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn ignored(status: &Value) -> anyhow::Result<BTreeMap<String, u64>> {
    let found = status.pointer("/dns/ignored").cloned().context("find /dns/ignored in status")?;
    serde_json::from_value(found).context("read /dns/ignored of status")
}

/// A socket that waits for an answer, as both sides know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim {
    /// Which of them.
    pub(crate) index: u32,
    /// What it waits for.
    pub(crate) state: State,
}

/// What a socket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// An answer that no server gives.
    Waiting,
    /// Nothing any more.
    Answered,
    /// Nothing: it has never asked.
    Idle,
}

impl Victim {
    /// How many there are in each state.
    pub(crate) const EACH: u32 = 16;

    /// All in a state.
    pub(crate) fn all(state: State) -> impl Iterator<Item = Self> {
        (0..Self::EACH).map(move |index| Self { index, state })
    }

    /// The client's port.
    pub(crate) fn port(self) -> u16 {
        let first: u16 = match self.state {
            State::Waiting => 20_000,
            State::Answered => 20_100,
            State::Idle => 20_200,
        };
        first + u16::try_from(self.index).unwrap_or(0)
    }

    /// The transaction id.
    pub(crate) fn id(self) -> u16 {
        self.port() ^ 0x5a5a
    }

    /// The trusted resolver that it asks.
    pub(crate) fn resolver(self) -> IpAddr {
        let [first, second] = crate::race::RESOLVERS;
        if self.index & 1 == 0 { first } else { second }
    }

    /// Whether it hears its resolver only: what comes from elsewhere does not reach a connected
    /// socket.
    pub(crate) fn is_connected(self) -> bool {
        self.index & 2 == 0
    }

    /// The family that it asks for.
    pub(crate) fn family(self) -> crate::probe::Family {
        if self.index & 4 == 0 { crate::probe::Family::V4 } else { crate::probe::Family::V6 }
    }

    /// What it asks for.
    pub(crate) fn name(self) -> String {
        let form = if self.state == State::Answered { Form::Plain } else { Form::Silent };
        form.name(u32::from(self.port()), crate::race::ZONE)
    }
}
