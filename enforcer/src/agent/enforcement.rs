//! The policy in force: its tables in the kernel and the addresses of its names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::Context as _;
use enforcer_common::{
    dns::question::name_hash,
    rule_mask::RuleMask,
    special::{Special, kind},
};

use super::{connections, policy_file::PolicyFile, room::Watched, workloads::Workloads};
use crate::{
    datapath::{self, BootTime, Datapath, Learned, UplinkChange, learned::Answer},
    fqdn::DomainName,
    policy::compile::{self, Prefix, Slots, Tables, name_key},
    resolver::{Resolution, ResolvedAddress},
    uplink::Uplink,
};

/// What is in force.
pub(super) struct Enforcement {
    pub(super) datapath: Datapath,
    pub(super) file: PolicyFile,
    pub(super) tables: Tables,
    /// What happened to addresses of names.
    pub(super) learning: Learning,
    /// Whether addresses find room.
    pub(super) room: Watched,
    slots: Slots,
    pub(super) workloads: Workloads,
    answers: BTreeMap<DomainName, BTreeMap<IpAddr, Known>>,
}

/// Counts since the agent started.
#[derive(Debug, Clone, Default)]
pub(super) struct Learning {
    /// Addresses written.
    pub(super) learned: u64,
    /// Addresses not taken, by reason.
    pub(super) ignored: BTreeMap<&'static str, u64>,
    /// Whether the newest address did not fit.
    pub(super) is_full: bool,
}

/// A policy, compiled beside the one in force.
pub(super) struct Prepared {
    file: PolicyFile,
    tables: Tables,
    slots: Slots,
}

#[derive(Clone, Copy)]
struct Known {
    special: Special,
    expires: BootTime,
}

/// An address, the name it belongs to and the rules that it is for.
struct Named<'a> {
    name: &'a DomainName,
    address: IpAddr,
    rules: RuleMask,
    expires: BootTime,
}

impl Prepared {
    /// Compiles a policy for slots that are in use.
    pub(super) fn new(
        file: PolicyFile,
        resolvers: &[SocketAddr],
        mut slots: Slots,
    ) -> anyhow::Result<Self> {
        let tables = compile::compile(&file.policy, resolvers, &mut slots)
            .with_context(|| format!("compile policy {}", file.path.display()))?;
        Ok(Self { file, tables, slots })
    }

    /// How many single addresses the policy names.
    pub(super) fn hosts(&self) -> usize {
        self.tables.prefixes.hosts.len()
    }
}

impl Enforcement {
    /// Puts the first policy into maps that judge nothing yet; where that fails, they are removed.
    pub(super) fn start(
        mut datapath: Datapath,
        prepared: Prepared,
        mut workloads: Workloads,
    ) -> anyhow::Result<Self> {
        let Prepared { file, tables, slots } = prepared;
        match datapath.apply(&tables, &workloads.look(&tables.workloads)) {
            Ok(_) => {}
            Err(error) => {
                datapath.discard();
                return Err(error.into());
            }
        }
        let mut enforcement = Self {
            datapath,
            file,
            tables,
            learning: Learning::default(),
            room: Watched::default(),
            slots,
            workloads,
            answers: BTreeMap::new(),
        };
        if let Err(error) = enforcement.refresh_special() {
            enforcement.datapath.discard();
            return Err(error);
        }
        Ok(enforcement)
    }

    /// Attaches everything; what an earlier start's rules have left is gone then.
    pub(super) fn attach(
        &mut self,
        uplinks: &[Uplink],
    ) -> Result<UplinkChange, datapath::DatapathError> {
        let change = self.datapath.attach(uplinks, connections::accepted)?;
        if !self.datapath.is_watching() {
            self.slots.release();
        }
        Ok(change)
    }

    /// Ends the watch beside a start of another layout; from here on this one judges alone.
    pub(super) fn end_watch(&mut self) -> Result<(), datapath::DatapathError> {
        let workloads = self.workloads.look(&self.tables.workloads);
        self.datapath.end_watch(&self.tables, &workloads)?;
        self.slots.release();
        Ok(())
    }

    /// Compiles a policy against the slots in use; nothing changes yet.
    pub(super) fn prepare(
        &self,
        file: PolicyFile,
        resolvers: &[SocketAddr],
    ) -> anyhow::Result<Prepared> {
        Prepared::new(file, resolvers, self.slots.clone())
    }

    /// Replaces the policy in force.
    ///
    /// Addresses of names get the bits of the rules to come before the flip: those are not active
    /// yet, and right after it a known name must not be refused until it is resolved again.
    pub(super) fn replace(&mut self, prepared: Prepared, now: BootTime) -> anyhow::Result<u64> {
        let Prepared { file, tables, slots } = prepared;
        self.forget_expired(now);
        let workloads = self.workloads.look(&tables.workloads);
        let applied = self
            .announce(&tables)
            .and_then(|()| self.datapath.apply(&tables, &workloads).context("apply the policy"));
        let generation = match applied {
            Ok(generation) => generation,
            Err(error) => {
                let mut added = tables.active;
                added.subtract(&self.tables.active);
                self.datapath.clear_rules(&added).context("withdraw the policy")?;
                self.look_at_workloads()?;
                return Err(error);
            }
        };
        self.answers.retain(|name, _| !tables.names.rules(name).is_empty());
        (self.file, self.tables, self.slots) = (file, tables, slots);
        self.refresh_special()?;
        Ok(generation)
    }

    /// Adds the rules to come to the addresses of the names that are known.
    fn announce(&mut self, tables: &Tables) -> anyhow::Result<()> {
        for (name, addresses) in &self.answers {
            let rules = tables.names.rules(name);
            for (address, known) in addresses {
                let rules = accepted(rules, tables, known.special);
                let answer = Named { name, address: *address, rules, expires: known.expires };
                write(&mut self.datapath, &mut self.learning, &answer)?;
            }
        }
        Ok(())
    }

    /// The exact names that are to be resolved.
    pub(super) fn names(&self) -> BTreeSet<DomainName> {
        self.tables.names.exact.keys().cloned().collect()
    }

    /// Takes what the resolver found out about a name.
    pub(super) fn take(&mut self, resolution: &Resolution, now: BootTime) -> anyhow::Result<()> {
        let rules = self.tables.names.rules(&resolution.name);
        if rules.is_empty() {
            return Ok(());
        }
        for ResolvedAddress { address, lifetime, special } in &resolution.addresses {
            let special = if is_own(*address) { Special::Never } else { *special };
            let (name, expires) = (&resolution.name, later(now, *lifetime));
            // Kept whether taken or not: the next policy may take it.
            self.answers
                .entry(name.clone())
                .or_default()
                .entry(*address)
                .and_modify(|known| known.expires = known.expires.max(expires))
                .or_insert(Known { special, expires });
            let accepted = accepted(rules, &self.tables, special);
            if accepted.is_empty() {
                *self.learning.ignored.entry("special-address").or_default() += 1;
                tracing::debug!(%name, %address, "special address is not learned");
                continue;
            }
            let answer = Named { name, address: *address, rules: accepted, expires };
            write(&mut self.datapath, &mut self.learning, &answer)?;
        }
        Ok(())
    }

    /// Brings the ranges up to date that no answer opens: the policy's, and this node's addresses.
    pub(super) fn refresh_special(&mut self) -> anyhow::Result<()> {
        let mut ranges = self.tables.special.clone();
        let own: BTreeSet<_> = own_addresses().into_iter().map(Into::into).collect();
        for address in &own {
            ranges.insert(Prefix { address: *address, bits: 128 }, kind::NEVER);
        }
        self.datapath.set_own_addresses(&own).context("bring own addresses up to date")?;
        self.datapath.set_special(&ranges).context("bring special addresses up to date")
    }

    /// The name of a question that the kernel handed over, where a rule is for it.
    pub(super) fn is_wanted(&self, name: &DomainName) -> bool {
        !self.tables.names.rules(name).is_empty()
    }

    /// Brings the cgroups that exist up to date, by a look at all of them.
    pub(super) fn look_at_workloads(&mut self) -> anyhow::Result<()> {
        let rules = self.workloads.look(&self.tables.workloads);
        self.datapath.set_workloads(&rules).context("bring cgroups up to date")
    }

    /// Brings the cgroups up to date that were made or removed.
    pub(super) fn follow_workloads(&mut self) -> anyhow::Result<()> {
        let Some(rules) = self.workloads.take_news(&self.tables.workloads) else { return Ok(()) };
        self.datapath.set_workloads(&rules).context("bring cgroups up to date")
    }

    /// Housekeeping; no verdict depends on it.
    pub(super) fn remove_expired(&mut self, now: BootTime) -> anyhow::Result<()> {
        self.forget_expired(now);
        let slots = self.tables.slots.iter().copied();
        let is_pressing = self.room.is_pressing(&self.datapath, slots).context("look for room")?;
        let is_urgent = self.learning.is_full || is_pressing;
        let removed =
            self.datapath.remove_expired(now, is_urgent).context("remove expired addresses")?;
        self.room.swept(&self.datapath.room().context("look for room")?);
        if removed > 0 {
            self.learning.is_full = false;
            tracing::debug!(removed, "removed expired addresses");
        }
        Ok(())
    }

    /// Says where addresses do not find room, and makes some where that is urgent.
    pub(super) fn look_at_room(&mut self, now: BootTime) -> anyhow::Result<()> {
        let names = self.file.policy.rules.iter().map(|rule| rule.name.as_str());
        let rules: Vec<_> = self.tables.slots.iter().copied().zip(names).collect();
        self.room.look(&self.datapath, &rules).context("look for room")?;
        let slots = self.tables.slots.iter().copied();
        if self.room.is_urgent(&self.datapath, slots).context("look for room")? {
            self.remove_expired(now)?;
        }
        Ok(())
    }

    fn forget_expired(&mut self, now: BootTime) {
        self.answers.retain(|_, addresses| {
            addresses.retain(|_, known| known.expires > now);
            !addresses.is_empty()
        });
    }
}

/// Which of a name's rules learn an address of this kind.
fn accepted(mut rules: RuleMask, tables: &Tables, special: Special) -> RuleMask {
    match special {
        Special::Ordinary => {}
        Special::Liftable => rules.intersect(&tables.private_answers),
        Special::Never => rules = RuleMask::EMPTY,
    }
    rules
}

/// Writes one address. A full map is counted, said once, and loses nothing that is in it.
fn write(
    datapath: &mut Datapath,
    learning: &mut Learning,
    named: &Named<'_>,
) -> anyhow::Result<()> {
    let Named { name, address, rules, expires } = *named;
    if rules.is_empty() {
        return Ok(());
    }
    let key = name_key(name);
    let name_hash = name_hash(wire(name));
    let answer = Answer { address: address.into(), rules, expires, name: &key, name_hash };
    match datapath.learn(&answer).with_context(|| format!("learn an address of {name}"))? {
        Learned::Written => learning.learned += 1,
        Learned::Full => {
            *learning.ignored.entry("map-full").or_default() += 1;
            if !learning.is_full {
                tracing::error!(
                    %name, %address,
                    "the map of addresses is full: raise --max-addresses; what is in it stays"
                );
            }
            learning.is_full = true;
        }
        // Said where the kernel's counts are looked at: it refuses what it learns itself as well.
        Learned::OverQuota => *learning.ignored.entry("quota").or_default() += 1,
    }
    Ok(())
}

/// The name in wire format (RFC 1035, 3.1).
fn wire(name: &DomainName) -> impl Iterator<Item = u8> {
    let labels = name.labels().flat_map(|label| {
        // A label has at most 63 bytes.
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
        std::iter::once(length).chain(label.bytes())
    });
    labels.chain(std::iter::once(0))
}

/// The addresses of this node's interfaces, in the agent's network namespace.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    addresses.collect()
}

/// Whether an address is one of this node's: only those can be bound to.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

fn later(now: BootTime, lifetime: Duration) -> BootTime {
    let nanoseconds = u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX);
    BootTime(now.0.saturating_add(nanoseconds))
}
