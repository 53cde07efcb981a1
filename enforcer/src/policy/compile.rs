//! From a policy to tables: the form in which the kernel asks its questions.
//!
//! Pure and deterministic: the same policy and slots give the same tables, sorted. What only a
//! running machine knows (the ids of cgroups, the addresses of names) stays symbolic here and is
//! filled in by whoever owns the clock and the files.
//!
//! The surprising thing: an endpoint of a rule is never evaluated as a list. Each table says for
//! each value of one field which rules accept it, so that a verdict is a handful of look-ups and
//! an intersection, whatever the policy's size (bit-vector classification, Lakshman and Stiliadis,
//! SIGCOMM 1998).

mod name_trie;
mod names;
mod offline;
mod ports;
mod prefixes;
mod slots;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use enforcer_common::{
    abi::{MAX_NAME_CHECKS, MAX_NAMES, MAX_RULES},
    address::Address,
    dns::check::MAX_ENTRY_CHECKS,
    rule_mask::RuleMask,
    settings::{Settings, flag},
    special,
};

pub use self::{
    name_trie::{NameTrie, TrieEntry, map_key, name_key},
    names::NameTable,
    offline::Offline,
    ports::PortTable,
    prefixes::{Prefix, PrefixTable},
    slots::Slots,
};
use super::{Action, Bypass, Endpoint, Mode, Policy};
use crate::workload::Selected;

/// The compiled policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Whether verdicts are only counted.
    pub is_audit: bool,
    /// The slot of each rule, in the order of the policy.
    pub slots: Vec<u16>,
    /// What identifies each rule, in the order of the policy: SHA-256 of its text, in hexadecimal.
    pub digests: Vec<String>,
    /// Rules in force.
    pub active: RuleMask,
    /// Rules that keep the slots of the tables before, with other ranges.
    pub rewritten: RuleMask,
    /// Rules that deny.
    pub deny: RuleMask,
    /// Rules that are for every workload.
    pub everyone: RuleMask,
    /// Rules that learn private addresses.
    pub private_answers: RuleMask,
    /// Rules that name a domain.
    pub named: RuleMask,
    /// Single addresses and prefixes of CIDR rules.
    pub prefixes: Arc<PrefixTable>,
    /// Ports and protocols.
    pub ports: PortTable,
    /// The rules that are for some workloads only.
    pub workloads: Selected,
    /// Exact names and wildcard patterns.
    pub names: NameTable,
    /// The same as the kernel looks them up.
    pub name_trie: Arc<NameTrie>,
    /// Ranges of addresses that an answer must not open, with their kind
    /// ([`enforcer_common::special::kind`]).
    pub special: BTreeMap<Prefix, u32>,
    /// Shortest and longest lifetime of a learned address.
    pub lifetimes: (Duration, Duration),
    /// How long an address that is in use outlives its expiry.
    pub grace: Duration,
    /// Prefixes that translation may rewrite, sorted; `None`: not stated.
    pub virtual_ranges: Option<Vec<Prefix>>,
    /// What may send past every hook.
    pub bypass: Bypass,
    /// Whoever sent a denied packet that is forwarded is told.
    pub rejects_forwarded: bool,
    /// Trusted resolvers, sorted.
    pub resolvers: Vec<(Address, u16)>,
}

/// Why a valid policy has no tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More rules than a mask has bits.
    #[error(
        "the policy has {count} rules, presets included, and a node can have {MAX_RULES}: join rules \
         that differ only in their destinations into one rule with several `to` entries"
    )]
    TooManyRules {
        /// How many there are.
        count: usize,
    },
    /// The kept rules leave no room for the changed ones beside the old ones.
    #[error(
        "changing {changed} rules beside {kept} kept ones does not fit into {MAX_RULES} slots at \
         once: change fewer rules in one step, or restart the agent"
    )]
    NoFreeSlots {
        /// Rules whose text changed.
        changed: usize,
        /// Rules whose text did not.
        kept: usize,
    },
    /// More names than the kernel's table holds.
    #[error("the policy names {count} domain names, and {MAX_NAMES} is the most")]
    TooManyNames {
        /// How many there are.
        count: usize,
    },
    /// More patterns that need a look into labels below one name than the kernel looks at.
    #[error(
        "{count} patterns with a `*` inside a label, or with `labels`, are for names below \
         `{name}`, and {MAX_ENTRY_CHECKS} is the most: use fewer, wider patterns"
    )]
    TooManyPatterns {
        /// How many there are.
        count: usize,
        /// The name.
        name: String,
    },
    /// More of them in all.
    #[error(
        "the patterns with a `*` inside a label need {count} checks, and {MAX_NAME_CHECKS} is the \
         most: use fewer, wider patterns"
    )]
    TooManyChecks {
        /// How many there are.
        count: usize,
    },
    /// More combinations of rules over ports than the class table holds.
    #[error(
        "the ports of the policy fall into {count} different sets of rules, and {limit} is the \
         most: use fewer, wider port ranges"
    )]
    TooManyPortClasses {
        /// How many there are.
        count: usize,
        /// How many there can be.
        limit: u32,
    },
}

/// Whether a policy has tables, found out without its ranges: no bound depends on those, and there
/// may be a million.
///
/// # Errors
///
/// What [`compile`] would say where no earlier policy takes room.
pub(super) fn fits(policy: &Policy) -> Result<(), CompileError> {
    let without_ranges = |rule: &super::Rule| super::Rule {
        name: rule.name.clone(),
        action: rule.action,
        from: rule.from.clone(),
        to: rule.to.iter().filter(|to| matches!(to, Endpoint::Fqdn { .. })).cloned().collect(),
        ports: rule.ports.clone(),
        allow_private_answers: rule.allow_private_answers,
        origin: rule.origin.clone(),
    };
    let policy = Policy {
        name: policy.name.clone(),
        dns: policy.dns.clone(),
        virtual_ranges: None,
        rules: policy.rules.iter().map(without_ranges).collect(),
        mode: policy.mode,
        bypass: policy.bypass,
        rejects_forwarded: policy.rejects_forwarded,
    };
    compile(&policy, &[], &mut Slots::default()).map(drop)
}

/// Compiles a policy.
///
/// `resolvers` are the trusted servers that the policy's settings stand for on this machine.
/// `slots` says which slots the rules of the policy in force have; it is brought up to date.
///
/// # Errors
///
/// [`CompileError`]; `slots` is then unchanged.
pub fn compile(
    policy: &Policy,
    resolvers: &[SocketAddr],
    slots: &mut Slots,
) -> Result<Tables, CompileError> {
    let mut next_slots = slots.clone();
    let assigned = next_slots.assign(&policy.rules)?;
    let rules = || policy.rules.iter().zip(assigned.slots.iter().copied());

    let ports = PortTable::build(
        rules().flat_map(|(rule, slot)| rule.ports.iter().map(move |spec| (slot, *spec))),
    )?;
    let mut prefixes = prefixes::Builder::default();
    let mut names = names::Builder::default();
    let mut workloads = Selected::default();
    for (rule, slot) in rules() {
        for endpoint in &rule.to {
            match endpoint {
                Endpoint::Fqdn { pattern, .. } => names.add(pattern, slot),
                Endpoint::Cidr { prefix, except, .. } => prefixes.add(*prefix, except, slot),
            }
        }
        for selector in &rule.from {
            workloads.add(selector, slot);
        }
    }
    let having = |wanted: fn(&super::Rule) -> bool| -> RuleMask {
        rules().filter(|(rule, _)| wanted(rule)).map(|(_, slot)| slot).collect()
    };
    let names = names.build();
    let name_trie = Arc::new(NameTrie::build(&names)?);
    let tables = Tables {
        is_audit: policy.mode == Mode::Audit,
        active: having(|_| true),
        deny: having(|rule| rule.action == Action::Deny),
        everyone: having(|rule| rule.from.is_empty()),
        private_answers: having(|rule| rule.allow_private_answers),
        named: having(|rule| rule.to.iter().any(|to| matches!(to, Endpoint::Fqdn { .. }))),
        prefixes: Arc::new(prefixes.build()),
        ports,
        workloads,
        names,
        name_trie,
        special: special_ranges(policy),
        lifetimes: (policy.dns.min_ttl, policy.dns.max_ttl),
        grace: policy.dns.grace,
        virtual_ranges: policy.virtual_ranges.as_ref().map(|ranges| {
            let mut ranges: Vec<_> = ranges.iter().copied().map(Prefix::from).collect();
            ranges.sort_unstable();
            ranges.dedup();
            ranges
        }),
        bypass: policy.bypass,
        rejects_forwarded: policy.rejects_forwarded,
        resolvers: resolver_keys(resolvers),
        slots: assigned.slots,
        digests: assigned.digests,
        rewritten: assigned.rewritten,
    };
    *slots = next_slots;
    Ok(tables)
}

impl Tables {
    /// What the kernel reads once a packet, for a generation.
    pub fn settings(&self, generation: u64) -> Settings {
        let flags = [
            (self.is_audit, flag::AUDIT),
            (!self.prefixes.hosts.is_empty(), flag::HOSTS),
            (!self.prefixes.prefixes.is_empty(), flag::CIDRS),
            (!self.workloads.is_empty(), flag::WORKLOADS),
            (self.resolvers.iter().any(|(_, port)| *port != 53), flag::RESOLVER_PORTS),
            (self.virtual_ranges.is_some(), flag::VIRTUAL_STATED),
            (self.bypass.af_xdp, flag::ALLOW_AF_XDP),
            (self.bypass.qdisc_bypass, flag::ALLOW_QDISC_BYPASS),
            (self.rejects_forwarded, flag::REJECT_FORWARDED),
        ];
        Settings {
            generation,
            flags: flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum(),
            bank: u32::from(generation % 2 == 1),
            active: self.active,
            deny: self.deny,
            everyone: self.everyone,
            private_answers: self.private_answers,
            named: self.named,
            min_ttl_secs: seconds(self.lifetimes.0),
            max_ttl_secs: seconds(self.lifetimes.1),
            grace_ns: u64::try_from(self.grace.as_nanos()).unwrap_or(u64::MAX),
            // Whoever writes it knows.
            host_cookie: u64::MAX,
        }
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The ranges that no answer opens, and those that are this machine's to translate.
fn special_ranges(policy: &Policy) -> BTreeMap<Prefix, u32> {
    let nat64: Vec<_> = policy.dns.nat64_prefixes().collect();
    let ours = policy.virtual_ranges.iter().flatten().copied().map(Prefix::from);
    let mut ranges: BTreeMap<Prefix, u32> =
        ours.map(|prefix| (prefix, special::kind::LIFTABLE)).collect();
    for (address, bits, kind) in special::ranges(&nat64) {
        ranges.insert(Prefix { address, bits }, kind);
    }
    ranges
}

fn resolver_keys(resolvers: &[SocketAddr]) -> Vec<(Address, u16)> {
    let mut keys: Vec<_> = resolvers
        .iter()
        .map(|server| (Address::from(canonical(server.ip())), server.port()))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// An IPv4-mapped address as the IPv4 address that is on the wire.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
