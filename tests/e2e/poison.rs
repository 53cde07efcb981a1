//! Who would teach the node an address that no trusted resolver gave: each attack succeeds
//! against an agent without the measure that is for it, and fails against one with all of them.
//!
//! The goal of each is [`GOAL`] on tcp/443, where the policy allows names under `wild.test`.

mod agent;
mod answers;
mod forged;
mod fragments;
mod local;
mod namespace;
mod position;
mod race;
mod stream;

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use enforcer_tests::{Insider, Peer, Probe, Report, Rig, link::CLIENT_V4};
use serde_json::Value;

use crate::{
    wire,
    world::{PATIENCE, RESOLVER, ip, probe},
};

/// The address that an attacker wants to reach.
const GOAL: &str = "198.18.66.66";
const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const ID: u16 = 0x7e57;

/// What came of an attack.
#[derive(Debug)]
struct Ended {
    /// The try to reach [`GOAL`].
    report: Report,
    status: Value,
}

/// Makes an attack on a rig whose agent leaves measures out.
fn attack_without(measures: u32, policy: &str, attack: impl Fn(&Rig)) -> Ended {
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = match measures {
        0 => rig.agent(policy),
        measures => rig.agent_without(measures, policy),
    }
    .unwrap();
    attack(&rig);
    let report = reach(&rig, ip(GOAL));
    Ended { report, status: agent.status().unwrap() }
}

/// Makes an attack twice: without the measures it has to succeed, with all of them it must not.
fn succeeds_only_without(measures: u32, policy: &str, attack: impl Fn(&Rig)) -> Value {
    let weak = attack_without(measures, policy, &attack);
    assert!(
        weak.report.is_reached(),
        "the attack does not work: {}\n{:#}",
        weak.report,
        weak.status
    );
    fails_without(0, policy, attack)
}

/// Makes an attack that must not succeed although measures are left out.
fn fails_without(measures: u32, policy: &str, attack: impl Fn(&Rig)) -> Value {
    let ended = attack_without(measures, policy, attack);
    assert!(ended.report.is_refused(), "{}\n{:#}", ended.report, ended.status);
    ended.status
}

/// How often `status` counts a reason for learning nothing.
fn ignored(status: &Value, reason: &str) -> u64 {
    let reasons = status["dns"]["ignored"].as_object().unwrap();
    reasons.get(reason).map_or(0, |count| count.as_u64().unwrap())
}

fn reach(rig: &Rig, address: IpAddr) -> Report {
    probe(rig, &Probe::tcp(address, 443).patience(Duration::from_millis(500)))
}

/// The trusted resolver.
fn resolver() -> SocketAddr {
    SocketAddr::new(ip(RESOLVER), 53)
}

/// An address of the client, any port.
fn client() -> SocketAddr {
    SocketAddr::new(CLIENT_V4.into(), 0)
}

/// A socket in the world that answers only what the test says.
fn server(rig: &Rig, address: SocketAddr) -> UdpSocket {
    let socket = rig.world.run(|| Ok(UdpSocket::bind(address)?)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A question for an address of a name that the policy allows.
fn wild_query() -> Vec<u8> {
    wire::query(ID, &wire::name("a.wild.test"), wire::A)
}

/// Sends a question and has it received; the asking socket's address, as the server sees it.
fn ask(client: &UdpSocket, server: &UdpSocket, query: &[u8]) -> SocketAddr {
    client.send_to(query, server.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 2048];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], query);
    from
}

/// Waits until a message has come.
fn receive(client: &UdpSocket, message: &[u8]) {
    let mut buffer = [0; 4096];
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], message);
}

/// A socket of the workload that asks, and its maker.
fn asker(rig: &Rig) -> (Insider, UdpSocket) {
    let insider = rig.insider(&rig.client).unwrap();
    let socket = insider.datagrams(client()).unwrap();
    (insider, socket)
}
