//! The test rig of enforcer: a small world in which real packets meet the real datapath.
//!
//! A [`Rig`] is two network namespaces and a cgroup. The *client* namespace is the node under
//! test; the *world* namespace is everything else: it answers for every address there is, so a
//! test may name any destination and nothing ever leaves the machine. A [`Probe`] is one action
//! of one process inside the client's cgroup, an [`Insider`] a process there that lends its sockets, a
//! [`Peer`] what it talks to, a [`NameServer`] what
//! it asks, a [`Capture`] the count of what really arrived, an [`Agent`] the program under test.
//!
//! The rig must not know how a verdict comes about: it sees processes, packets, files and the
//! command line, as a user does. It touches no root cgroup, no real interface and no file of the
//! machine's configuration.
//!
//! Every guard undoes on drop what it made. What a killed run leaves behind is found by
//! [`lease::Lease`] and removed by the next one. The surprising thing: namespaces have no names
//! and need no process to hold them; a file descriptor does, so not even `kill -9` leaves one.

pub mod agent;
pub mod bench;
pub mod binary;
mod bpf;
pub mod bpffs;
pub mod capture;
pub mod cgroup;
pub mod chaos;
pub mod churn;
pub mod daemon;
pub mod demo;
mod dns;
pub mod held;
pub mod hog;
pub mod http;
pub mod inbound;
pub mod insider;
pub mod lease;
pub mod link;
pub mod load;
pub mod malformed;
pub mod nameserver;
pub mod netns;
pub mod newcomer;
pub mod packet;
pub mod peer;
pub mod pods;
pub mod privilege;
pub mod probe;
pub mod race;
mod random;
pub mod reexec;
pub mod reloads;
pub mod responder;
pub mod rig;
pub mod scratch;
mod service;
pub mod spoof;
pub mod stopped;
pub mod tamper;
pub mod upgrades;
pub mod wait;

pub use self::{
    agent::Agent,
    capture::Capture,
    cgroup::Cgroup,
    insider::Insider,
    nameserver::{NameServer, Zone},
    netns::Netns,
    packet::Packet,
    peer::Peer,
    probe::{Probe, Report},
    rig::Rig,
};
