//! The agent and the command line of enforcer, a node-level egress firewall.
//!
//! A policy names what a node may reach. Everything here serves one direction of flow:
//!
//! ```text
//! policy file ──> policy ──> compile ──> Tables ──> datapath ──> maps ──> hook ──> verdict
//! resolver ──────────────────────^       (data)     (only IO)                        │
//! metrics, status <──────────────────── Reading <────────────────────── counters <──┘
//! ```
//!
//! **Invariant:** nothing on the right imports anything on its left: `policy`, `fqdn` and
//! `workload` know no tokio, no aya and no IO; `datapath` knows `policy::compile`, the devices of `uplink` and
//! `enforcer_common` alone, and is the only module that imports aya; `status` and `metrics` see the kernel through
//! [`datapath::Reading`] only. `agent` ties them together, `cli` is on top.
//!
//! The surprising thing: the agent decides nothing. A packet is judged in the kernel by
//! [`enforcer_common::decide`], on tables that this crate writes, and goes on being judged when
//! the agent is gone. `explain` runs the same function on the same tables.

pub mod agent;
pub mod cli;
pub mod datapath;
pub mod fqdn;
pub mod metrics;
pub mod policy;
pub mod resolver;
pub mod status;
pub mod uplink;
pub mod workload;
