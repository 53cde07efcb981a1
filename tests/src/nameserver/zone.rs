//! What a name server knows, and how it behaves when it is asked.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use hickory_proto::rr::{
    Name, RData, Record, RecordType,
    rdata::{A, AAAA, CNAME},
};

/// Lifetime of records unless stated.
const TTL_SECS: u32 = 300;
/// CNAMEs that are followed in one answer.
const MAX_CHAIN: usize = 16;
/// The first address of generated names; they go up from here.
const FIRST_GENERATED: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 0);

/// What a server does with a query for a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// It answers with what it has; without records of the type asked for, with none.
    #[default]
    Answer,
    /// There is no such name.
    NxDomain,
    /// It says that it failed.
    ServFail,
    /// It says nothing.
    Silence,
    /// Over UDP it says only that the answer is too long; over TCP it answers.
    TruncateUdp,
    /// It answers under another id than it was asked with, as somebody who guesses would.
    OtherId,
}

/// Names with their addresses, aliases and behaviours.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    entries: BTreeMap<String, Entry>,
    generated: Option<Generated>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    addresses: Vec<IpAddr>,
    alias: Option<String>,
    behaviour: Behaviour,
    ttl_secs: Option<u32>,
}

#[derive(Debug, Clone)]
struct Generated {
    suffix: String,
    count: u32,
}

/// What there is to say about a name.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) behaviour: Behaviour,
    pub(super) records: Vec<Record>,
}

impl Zone {
    /// A zone without a name in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a name addresses, both families mixed, besides those it has.
    #[must_use]
    pub fn with(mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.entry(name).addresses.extend(addresses);
        self
    }

    /// Makes a name an alias (CNAME) of another.
    #[must_use]
    pub fn with_alias(mut self, name: &str, target: &str) -> Self {
        self.entry(name).alias = Some(canonical(target));
        self
    }

    /// Sets the lifetime of a name's own records, in seconds.
    #[must_use]
    pub fn with_ttl(mut self, name: &str, ttl_secs: u32) -> Self {
        self.entry(name).ttl_secs = Some(ttl_secs);
        self
    }

    /// Sets what happens when a name is asked for.
    #[must_use]
    pub fn with_behaviour(mut self, name: &str, behaviour: Behaviour) -> Self {
        self.entry(name).behaviour = behaviour;
        self
    }

    /// Adds `count` names `host-00000.SUFFIX`, `host-00001.SUFFIX`..., each with the IPv4 address
    /// that [`Zone::generated_address`] says and no IPv6 address.
    #[must_use]
    pub fn with_generated(mut self, suffix: &str, count: u32) -> Self {
        self.generated = Some(Generated { suffix: canonical(suffix), count });
        self
    }

    /// The names of [`Zone::with_generated`].
    pub fn generated_name(suffix: &str, number: u32) -> String {
        format!("host-{number:05}.{suffix}")
    }

    /// The address of a generated name.
    pub fn generated_address(number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(FIRST_GENERATED).wrapping_add(number))
    }

    /// Gives a name other addresses for those it has.
    pub fn replace(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        self.entry(name).addresses = addresses.into_iter().collect();
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        self.entries.remove(&canonical(name));
    }

    /// Changes a name's behaviour.
    pub fn behave(&mut self, name: &str, behaviour: Behaviour) {
        self.entry(name).behaviour = behaviour;
    }

    /// The addresses of a name, aliases followed; empty for a name that is not there.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let mut name = canonical(name);
        for _ in 0..MAX_CHAIN {
            let Some(entry) = self.entries.get(&name) else { return Vec::new() };
            let Some(alias) = &entry.alias else { return entry.addresses.clone() };
            name.clone_from(alias);
        }
        Vec::new()
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.entry(canonical(name)).or_default()
    }

    pub(super) fn look_up(&self, name: &str, kind: RecordType) -> Found {
        let mut records = Vec::new();
        let mut owner = name.to_owned();
        let mut behaviour = Behaviour::NxDomain;
        for _ in 0..MAX_CHAIN {
            let Some(entry) = self.entries.get(&owner) else {
                if let Some(address) = self.generated.as_ref().and_then(|it| it.address(&owner)) {
                    behaviour = Behaviour::Answer;
                    records.extend(record(&owner, TTL_SECS, kind, IpAddr::V4(address)));
                } else if !records.is_empty() {
                    // The target of an alias is somebody else's name: no error of this one.
                    behaviour = Behaviour::Answer;
                }
                break;
            };
            if owner == name {
                behaviour = entry.behaviour;
            }
            let ttl_secs = entry.ttl_secs.unwrap_or(TTL_SECS);
            let Some(target) = &entry.alias else {
                let own = entry.addresses.iter();
                records.extend(own.filter_map(|address| record(&owner, ttl_secs, kind, *address)));
                break;
            };
            records.extend(alias(&owner, ttl_secs, target));
            owner.clone_from(target);
        }
        Found { behaviour, records }
    }
}

impl Generated {
    fn address(&self, name: &str) -> Option<Ipv4Addr> {
        let number = name.strip_suffix(&self.suffix)?.strip_suffix('.')?.strip_prefix("host-")?;
        let number = number.parse().ok().filter(|number| *number < self.count)?;
        Some(Zone::generated_address(number))
    }
}

/// A name in lower case without the dot at its end.
pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn record(owner: &str, ttl_secs: u32, kind: RecordType, address: IpAddr) -> Option<Record> {
    let data = match (kind, address) {
        (RecordType::A, IpAddr::V4(address)) => RData::A(A(address)),
        (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(AAAA(address)),
        _ => return None,
    };
    Some(Record::from_rdata(absolute(owner)?, ttl_secs, data))
}

fn alias(owner: &str, ttl_secs: u32, target: &str) -> Option<Record> {
    let data = RData::CNAME(CNAME(absolute(target)?));
    Some(Record::from_rdata(absolute(owner)?, ttl_secs, data))
}

fn absolute(name: &str) -> Option<Name> {
    Name::from_ascii(format!("{name}.")).ok()
}
