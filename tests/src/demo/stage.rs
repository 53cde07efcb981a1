//! The demo's world: names, name servers, and peers on every port that a row names.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;

use super::{rows::Row, trial::Mode};
use crate::{Capture, NameServer, Peer, Rig, Zone, nameserver::Behaviour, probe::Family};

const POLICY: &str = include_str!("policy.yaml");

/// Where programs ask for names.
pub(super) const RESOLVER: &str = "203.0.113.53";
/// All name servers: the two that the policy trusts, and one that it does not.
const SERVERS: [&str; 3] = [RESOLVER, "2001:db8:b::53", "203.0.113.54"];
const TCP_PORTS: [u16; 6] = [80, 443, 7999, 8000, 8010, 8011];
const UDP_PORTS: [u16; 3] = [123, 124, 443];
const OWN_PORT: u16 = 8080;

/// Names and their addresses. Those of the preset are the ones that its document lists.
const NAMES: &[(&str, &[&str])] = &[
    ("cdn.mcr.example", &["198.51.100.10", "2001:db8:a::10"]),
    ("mcr-0001.mcr-msedge.net", &["198.51.100.11", "2001:db8:a::11"]),
    ("management.azure.com", &["198.51.100.12", "2001:db8:a::12"]),
    ("login.microsoftonline.com", &["198.51.100.13", "198.51.100.14", "2001:db8:a::13"]),
    ("packages.microsoft.com", &["198.51.100.15", "2001:db8:a::15"]),
    ("packages.aks.azure.com", &["198.51.100.16", "2001:db8:a::16"]),
    ("acs-mirror.azureedge.net", &["198.51.100.17", "2001:db8:a::17"]),
    ("ntp.ubuntu.com", &["203.0.113.123", "2001:db8:b::123"]),
    ("c1-dns-1a2b.hcp.japaneast.azmk8s.io", &["198.51.100.20", "2001:db8:a::20"]),
    ("a.b.hcp.japaneast.azmk8s.io", &["198.51.100.21"]),
    ("eastus.data.mcr.microsoft.com", &["2001:db8:a::22"]),
    ("edge.storage.example", &["198.51.100.23", "2001:db8:a::23"]),
    ("md-disk1.blob.storage.azure.net", &["198.51.100.24"]),
    ("hcp.japaneast.azmk8s.io", &["198.51.100.30"]),
    ("c1.hcp.eastus.azmk8s.io", &["2001:db8:a::31"]),
    ("blob.core.windows.net", &["198.51.100.32"]),
    ("evilblob.core.windows.net", &["198.51.100.33"]),
    ("core.windows.net", &["2001:db8:a::34"]),
    ("xmd-disk1.blob.storage.azure.net", &["198.51.100.35"]),
    ("a.hcp.japaneast.azmk8s.io.evil.example", &["198.51.100.36"]),
    (FORGED, &["198.51.100.37"]),
    ("time.example", &["203.0.113.124"]),
    ("www.microsoft.com", &["198.51.100.80", "2001:db8:a::80"]),
    ("evilmcr.microsoft.com", &["198.51.100.81"]),
    ("mcr.microsoft.com.evil.example", &["203.0.113.66", "2001:db8:b::66"]),
    ("exfiltration.example", &["203.0.113.67", "2001:db8:b::67"]),
];
/// Names that lead to another: what is allowed is the name asked for.
const ALIASES: &[(&str, &str)] = &[
    ("mcr.microsoft.com", "cdn.mcr.example"),
    ("images.blob.core.windows.net", "blob.tyo01prdstr01a.store.example"),
    ("blob.tyo01prdstr01a.store.example", "edge.storage.example"),
];
/// A name under a wildcard whose answers come with a guessed id.
const FORGED: &str = "forged.blob.core.windows.net";

/// Everything that rows talk to.
pub(super) struct Stage {
    pub(super) capture: Capture,
    pub(super) resolver: SocketAddr,
    zone: Zone,
    _names: NameServer,
    _peers: Vec<Peer>,
    pub(super) rig: Rig,
}

impl Stage {
    pub(super) fn make() -> anyhow::Result<Self> {
        let rig = Rig::make()?;
        let servers: Vec<SocketAddr> = SERVERS
            .iter()
            .map(|server| Ok((address(server)?, 53).into()))
            .collect::<anyhow::Result<_>>()?;
        let zone = zone()?;
        let names = NameServer::start(&rig.world, servers, zone.clone())?;
        let mut peers = vec![Peer::tcp(&rig.client, OWN_PORT)?];
        for port in TCP_PORTS {
            peers.push(Peer::tcp(&rig.world, port)?);
        }
        for port in UDP_PORTS {
            peers.push(Peer::udp(&rig.world, port)?);
        }
        let capture = rig.capture()?;
        let resolver = (address(RESOLVER)?, 53).into();
        Ok(Self { capture, resolver, zone, _names: names, _peers: peers, rig })
    }

    /// The addresses that a row may be reached at.
    pub(super) fn addresses(&self, row: &Row) -> Vec<IpAddr> {
        let is_v4 = row.family == Family::V4;
        let all = row.to.parse().map_or_else(|_| self.zone.addresses(row.to), |it| vec![it]);
        all.into_iter().filter(|address| address.is_ipv4() == is_v4).collect()
    }
}

/// The demo's policy.
pub(super) fn policy(mode: Mode) -> String {
    match mode {
        Mode::Audit => POLICY.replace("mode: enforce", "mode: audit"),
        Mode::Control | Mode::Enforce => POLICY.to_owned(),
    }
}

fn zone() -> anyhow::Result<Zone> {
    let mut zone = Zone::new();
    for &(name, addresses) in NAMES {
        let addresses: Vec<_> =
            addresses.iter().map(|text| address(text)).collect::<anyhow::Result<_>>()?;
        zone = zone.with(name, addresses);
    }
    for &(name, target) in ALIASES {
        zone = zone.with_alias(name, target);
    }
    Ok(zone.with_behaviour(FORGED, Behaviour::OtherId))
}

fn address(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().with_context(|| format!("read the address `{text}`"))
}
