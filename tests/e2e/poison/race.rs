//! Datagrams to anywhere in the name of questions to a resolver whose address is translated.
//!
//! Translation in the sender's own namespace comes before egress, which then sees an address that
//! no rule names; it passes, because the resolver was asked. A socket that has asked for something
//! else besides tries to have that pass as well.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use enforcer_common::measure;
use enforcer_tests::{Rig, packet::protocol, require_privilege};

use super::{GOAL, WILD, wild_query};
use crate::{
    poison::asker,
    world::{ip, policy},
};

/// Tries in a round.
const TRIES: usize = 20_000;
const ROUNDS: usize = 3;
/// Rounds until a race has to be won at the latest: a machine that gives both threads one
/// processor lets hardly one happen.
const MAX_ROUNDS: usize = 100;
const SETTINGS: &str = "virtualRanges: []\ndns: {resolvers: [10.96.0.10]}";

fn service() -> SocketAddr {
    "10.96.0.10:53".parse().unwrap()
}

fn goal() -> SocketAddr {
    SocketAddr::new(ip(GOAL), 53)
}

fn translate(rig: &Rig) {
    let rules = "add table ip nat; \
         add chain ip nat output { type nat hook output priority -100 ; }; \
         add rule ip nat output ip daddr 10.96.0.10 udp dport 53 dnat to 203.0.113.53:5353";
    let done = rig.client.output(Command::new("nft").arg(rules)).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// How many datagrams came to the goal while a socket was used as `send` does, over and over until
/// there is one or so many rounds are over.
fn leaked(measures: u32, rounds: usize, send: impl Fn(&UdpSocket)) -> u64 {
    let rig = Rig::make().unwrap();
    translate(&rig);
    // Nobody reads: a refusal would be told to the socket.
    let _silent = rig.world.run(|| Ok(UdpSocket::bind("203.0.113.53:5353")?)).unwrap();
    let capture = rig.capture().unwrap();
    let policy = policy(SETTINGS, &[WILD]);
    let _agent = match measures {
        0 => rig.agent(&policy),
        measures => rig.agent_without(measures, &policy),
    }
    .unwrap();
    let (_insider, socket) = asker(&rig);
    let count = || capture.count_to_port(ip(GOAL), protocol::UDP, 53);

    for _ in 0..rounds {
        send(&socket);
        if count() > 0 {
            break;
        }
    }
    count()
}

/// Sends to the resolver on a socket that is connected to the goal, then to the goal, which is no
/// call with a destination.
fn send_beside_the_connection(socket: &UdpSocket) {
    socket.connect(goal()).unwrap();
    // What egress drops, the caller is told.
    drop(socket.send_to(&wild_query(), service()));
    drop(socket.send(&wild_query()));
}

fn send_to_two(socket: &UdpSocket) {
    let send_to = |destination| drop(socket.send_to(&wild_query(), destination));
    beside(|| send_to(service()), || send_to(goal()));
}

fn connect_to_two(socket: &UdpSocket) {
    let connect = |destination| socket.connect(destination).unwrap();
    beside(
        || [service(), goal()].into_iter().for_each(connect),
        || drop(socket.send(&wild_query())),
    );
}

/// Does one thing in one thread for as long as it takes to do another [`TRIES`] times.
fn beside(one: impl Fn() + Sync, other: impl Fn()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                one();
            }
        });
        (0..TRIES).for_each(|_| other());
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_connected_socket_that_asked_the_resolver_besides_reaches_only_the_resolver() {
    require_privilege!();
    let leaked = |measures| leaked(measures, 1, send_beside_the_connection);

    assert!(leaked(measure::ONLY_DESTINATION) > 0, "the attack does not work");
    assert_eq!(leaked(0), 0);
}

#[test]
fn two_threads_that_send_to_two_servers_reach_only_the_resolver() {
    require_privilege!();
    assert!(leaked(measure::ONLY_DESTINATION, MAX_ROUNDS, send_to_two) > 0, "it does not work");
    assert_eq!(leaked(0, ROUNDS, send_to_two), 0);
}

#[test]
fn two_threads_that_connect_and_send_reach_only_the_resolver() {
    require_privilege!();
    assert!(leaked(measure::ONLY_DESTINATION, MAX_ROUNDS, connect_to_two) > 0, "it does not work");
    assert_eq!(leaked(0, ROUNDS, connect_to_two), 0);
}
