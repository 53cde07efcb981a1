//! `names`: the addresses of domain names that the kernel holds.

use std::net::IpAddr;

use serde::Serialize;

use super::API_VERSION;
use crate::datapath::Reading;

/// `names -o json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub addresses: Vec<LearnedAddress>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnedAddress {
    pub address: IpAddr,
    pub rules: Vec<String>,
    pub names: Vec<String>,
    /// Cookie of the network namespace that it counts in; absent: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// Seconds.
    pub expires_in: f64,
    pub packets: u64,
}

impl Names {
    /// The live addresses of a look at the maps.
    pub fn new(reading: &Reading) -> Self {
        let rules = &reading.document.rules;
        let live = reading.addresses.iter().filter(|entry| entry.expires_ns > reading.now_ns);
        let addresses = live.map(|entry| LearnedAddress {
            address: entry.address,
            rules: rules
                .iter()
                .filter(|rule| entry.slots.contains(&rule.slot))
                .map(|rule| rule.name.clone())
                .collect(),
            names: entry.names.clone(),
            namespace: entry.namespace,
            expires_in: tenths(entry.expires_ns - reading.now_ns),
            packets: entry.packets,
        });
        Self { api_version: API_VERSION, kind: "Names", addresses: addresses.collect() }
    }
}

/// Nanoseconds as seconds, to a tenth.
#[expect(clippy::cast_precision_loss, reason = "lifetimes are hours, far below 2^53 tenths")]
fn tenths(nanoseconds: u64) -> f64 {
    (nanoseconds / 100_000_000) as f64 / 10.0
}
