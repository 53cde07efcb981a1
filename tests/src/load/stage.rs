//! The world of a load: a name server that answers once, and policies that allow the load.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    Counts, Load, Rate, control,
    lane::{BY_NAME, BY_PATTERN, Lane, PORT},
};
use crate::{
    Agent, NameServer, Probe, Rig, Zone,
    nameserver::Behaviour,
    probe::{Family, Transport},
};

/// The trusted resolver.
const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));
/// As long as an agent takes it for: longer than any run.
const TTL_SECS: u32 = 3_600;

/// What a load runs in.
pub(crate) struct Stage {
    server: NameServer,
    lanes: Vec<Lane>,
    pub(crate) rig: Rig,
}

impl Stage {
    /// Makes one for some lanes, and further names.
    pub(crate) fn make(lanes: &[Lane], zone: Zone) -> anyhow::Result<Self> {
        let rig = Rig::make()?;
        let mut zone = zone;
        for (name, lane) in [(BY_NAME, Lane::Name), (BY_PATTERN, Lane::Pattern)] {
            zone = zone.with(name, [lane.address()]).with_ttl(name, TTL_SECS);
        }
        let server = NameServer::start(&rig.world, [Self::resolver()], zone)?;
        Ok(Self { server, lanes: lanes.to_vec(), rig })
    }

    /// Whom everybody asks.
    pub(crate) fn resolver() -> SocketAddr {
        SocketAddr::new(RESOLVER, 53)
    }

    /// A load where nothing is enforced.
    pub(crate) fn control(&self, rate: Rate) -> anyhow::Result<Counts> {
        control(&self.rig, &self.lanes, rate)
    }

    /// Starts a load.
    pub(crate) fn load(&self, rate: Rate) -> anyhow::Result<Load<'_>> {
        Load::start(&self.rig, &self.lanes, rate)
    }

    /// Has the workload ask for what the agent does not ask for; thereafter no name is answered,
    /// and what is known is known from what was kept.
    pub(crate) fn learn(&self) -> anyhow::Result<()> {
        let udp = Transport::Udp;
        let lookup = Probe::lookup(Self::resolver(), BY_PATTERN, Family::V4, udp);
        let report = self.rig.probe(&lookup)?;
        let expected = [Lane::Pattern.address()];
        anyhow::ensure!(report.addresses() == expected, "ask for {BY_PATTERN}: {report:?}");
        self.server.change(|zone| {
            // Told at once, so that no start waits for it.
            zone.behave(BY_NAME, Behaviour::ServFail);
            zone.behave(BY_PATTERN, Behaviour::Silence);
        });
        Ok(())
    }

    /// How many of the names' addresses an agent knows, and how many there are.
    pub(crate) fn known(&self, agent: &Agent<'_>) -> anyhow::Result<(usize, usize)> {
        let names = agent.names()?;
        let listed = names.pointer("/addresses").and_then(|it| it.as_array()).into_iter().flatten();
        let listed: Vec<IpAddr> =
            listed.filter_map(|entry| entry.get("address")?.as_str()?.parse().ok()).collect();
        let learned = self.lanes.iter().filter(|lane| lane.needs_an_answer());
        let known = learned.clone().filter(|lane| listed.contains(&lane.address())).count();
        Ok((known, learned.count()))
    }
}

/// A policy that allows the load, under a name and with further settings; rules are put in front
/// of its own and behind them. Any part of it that is not the whole is no policy.
pub(crate) fn policy(name: &str, dns: &str, before: &[String], behind: &[String]) -> String {
    let own = [
        format!("cidr: {}", Lane::Cidr.address()),
        format!("fqdn: '*.{}'", BY_PATTERN.split_once('.').map_or("", |(_, parent)| parent)),
        format!("fqdn: {BY_NAME}"),
    ];
    let own = (1..).zip(own).map(|(number, to): (u8, _)| {
        format!("{{name: common-{number}, to: [{{{to}}}], ports: [udp/{PORT}, tcp/{PORT}]}}")
    });
    let rules: Vec<_> = before.iter().cloned().chain(own).chain(behind.iter().cloned()).collect();
    format!(
        "{{apiVersion: enforcer.dev/v1alpha1, kind: EgressPolicy, metadata: {{name: {name}}},\n \
         spec: {{virtualRanges: [], dns: {{resolvers: [{RESOLVER}]{dns}}}, \
         allowPrivateAnswers: true, rules: [\n    {}\n]}}}}\n",
        rules.join(",\n    ")
    )
}
