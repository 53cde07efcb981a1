//! Whoever comes from outside is answered under an empty allowlist, and nobody else.
//!
//! Servers in the workload answer the world: TCP and UDP, on all addresses of the node and on one,
//! over both families. Each answer is counted where it arrives. Then the same servers' process
//! sends to peers of the world that never asked, which must not arrive, and did before the agent
//! was there.
//!
//! The surprising thing: a datagram that the server never received is no reply that was lost. It
//! is told apart, and there should be none either: a window bounds what is on its way.

mod traffic;

use std::{fmt, time::Duration};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use self::traffic::{Exchange, Servers};
use crate::{Agent, Rig};

/// A policy that allows nothing.
const POLICY: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
    metadata: {name: inbound}\nspec:\n  dns: {resolvers: [203.0.113.53]}\n  rules: []\n";
/// Peers that never ask.
const STRANGERS: u16 = 50;

/// How much comes from outside.
#[derive(Debug, Clone, Args)]
pub struct Inbound {
    /// TCP connections, each with a request and an answer
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(4..=20_000))]
    pub connections: u32,
    /// UDP requests
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=4_000_000))]
    pub datagrams: u32,
    /// Whether uplinks are judged as well, as `enforcer run --tc`
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    pub tc: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Connections.
    pub connections: Exchange,
    /// Datagrams.
    pub datagrams: Exchange,
    /// Packets that `status` counts as replies.
    pub replies: u64,
    /// Packets that `status` counts as dropped, before the strangers.
    pub dropped: u64,
    /// Datagrams to strangers that arrived before the agent was there.
    pub control: u64,
    /// Datagrams to strangers that arrived while it was.
    pub leaked: u64,
    /// How long the exchanges took.
    pub took: Duration,
}

impl Inbound {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about replies.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let rig = Rig::make()?;
        let insider = rig.insider(&rig.client)?;
        let capture = rig.capture()?;
        traffic::send_to_strangers(&insider, STRANGERS)?;
        let control = traffic::strangers_reached(&capture, STRANGERS);
        let agent = rig.agent_with(POLICY, &["--tc", &self.tc])?;
        let servers = Servers::start(&insider)?;

        let begun = std::time::Instant::now();
        let connections = traffic::connect(&rig.world, self.connections, &servers)?;
        let datagrams = traffic::ask(&rig.world, self.datagrams, &servers)?;
        let took = begun.elapsed();

        let (replies, dropped) = counted(&agent)?;
        traffic::send_to_strangers(&insider, STRANGERS)?;
        let leaked = traffic::strangers_reached(&capture, STRANGERS) - control;
        Ok(Outcome { connections, datagrams, replies, dropped, control, leaked, took })
    }
}

/// Packets that count as replies, and that were dropped.
fn counted(agent: &Agent<'_>) -> anyhow::Result<(u64, u64)> {
    let status = agent.status()?;
    let implicit = status.pointer("/implicit").and_then(Value::as_array);
    let reply = implicit.into_iter().flatten().find(|rule| rule["name"] == "reply");
    let replies = reply.and_then(|rule| rule["packets"].as_u64()).context("find `reply`")?;
    let dropped = status.pointer("/totals/deniedPackets").and_then(Value::as_u64);
    Ok((replies, dropped.context("find deniedPackets")?))
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (what, exchange) in [("connections", &self.connections), ("datagrams", &self.datagrams)]
        {
            if exchange.answered != exchange.received {
                let lost = exchange.received.abs_diff(exchange.answered);
                faults.push(format!("{what}: {lost} answers lost, not 0"));
            }
            if exchange.received != exchange.asked {
                let lost = exchange.asked.abs_diff(exchange.received);
                faults.push(format!("{what}: {lost} requests did not come to the server"));
            }
        }
        for (what, number, expected) in [
            ("datagrams to strangers", self.leaked, 0),
            ("datagrams to strangers without the agent", self.control, u64::from(STRANGERS)),
            ("packets dropped while answering", self.dropped, 0),
        ] {
            if number != expected {
                faults.push(format!("{what}: {number}, not {expected}"));
            }
        }
        if self.replies < self.datagrams.answered + self.connections.answered {
            faults.push(format!("counted as replies: {}, fewer than answers", self.replies));
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "inbound, under an empty allowlist, in {:.1?}", self.took)?;
        for (what, it) in [("connections", &self.connections), ("datagrams", &self.datagrams)] {
            writeln!(
                f,
                "    {what}: {} asked, {} came to the server, {} answered, {} answers lost",
                it.asked,
                it.received,
                it.answered,
                it.received.abs_diff(it.answered)
            )?;
        }
        writeln!(f, "packets that count as replies: {}, dropped: {}", self.replies, self.dropped)?;
        writeln!(
            f,
            "datagrams to {STRANGERS} peers that never asked: {} arrived without the agent, {} with \
             it",
            self.control, self.leaked
        )
    }
}
