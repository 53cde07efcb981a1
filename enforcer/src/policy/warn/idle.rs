//! Destinations and workloads that no packet ever matches, and rules that come too late.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};

use super::{Doubt, Kind, cover::Ports, destination};
use crate::{
    fqdn::{Leading, Pattern},
    policy::{Action, DnsSettings, Endpoint, PortRange, PortSpec, ResolverSpec, Rule},
    workload::WorkloadSelector,
};

/// The longest name in its text form (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
/// Loopback (RFC 1122, section 3.2.1.3).
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8);

/// Adds a doubt for each part of a rule that has no effect whatever the other rules are.
pub(super) fn doubts<'p>(rule: &'p Rule, dns: &DnsSettings, doubts: &mut Vec<Doubt<'p>>) {
    for endpoint in &rule.to {
        let text = || destination(endpoint);
        let found = match endpoint {
            Endpoint::Fqdn { pattern, .. } if is_too_long(pattern) => Some((
                format!("no name is long enough for `{}` and so many labels", text()),
                "a name has at most 253 characters: ask for fewer labels",
            )),
            Endpoint::Cidr { prefix, except, .. } if is_used_up(*prefix, except) => Some((
                format!("the exceptions leave nothing of `{}`", text()),
                "remove the destination, or some of its exceptions",
            )),
            Endpoint::Cidr { prefix, .. } if is_loopback(*prefix) => Some((
                format!("no rule decides about `{}`: loopback always passes", text()),
                "remove the destination",
            )),
            Endpoint::Fqdn { .. } | Endpoint::Cidr { .. } => None,
        };
        if let Some((message, help)) = found {
            doubts.push(Doubt::of_endpoint(Kind::Idle, rule, endpoint, message, help));
        }
    }
    doubts.extend(double_workload(rule));
    doubts.extend(denied_resolver(rule, dns));
}

/// Whether the shortest name that a pattern describes is longer than a name can be.
fn is_too_long(pattern: &Pattern) -> bool {
    match pattern.leading() {
        // The text of the pattern has one label for them, which is `*`.
        Leading::Exactly(count) => {
            pattern.to_string().len() + 2 * usize::from(count) - 2 > MAX_NAME_BYTES
        }
        Leading::Nothing | Leading::OneOrMore => false,
    }
}

/// Whether holes, none inside another, take all of a range.
///
/// Each takes a power of two of addresses. The sum of all is at most the range, so that a sum that
/// is right modulo 2^128 is right.
fn is_used_up(range: IpNet, holes: &[IpNet]) -> bool {
    let size =
        |net: &IpNet| 1_u128.wrapping_shl(u32::from(net.max_prefix_len() - net.prefix_len()));
    let whole = |net: &IpNet| {
        if net.max_prefix_len() - net.prefix_len() == 128 { 0 } else { size(net) }
    };
    let taken = holes.iter().fold(0_u128, |sum, hole| sum.wrapping_add(whole(hole)));
    !holes.is_empty() && taken == whole(&range)
}

fn is_loopback(range: IpNet) -> bool {
    match range {
        IpNet::V4(range) => LOOPBACK.contains(&range),
        IpNet::V6(range) => range.prefix_len() == 128 && range.addr().is_loopback(),
    }
}

/// A workload that another one of the same rule holds already.
fn double_workload(rule: &Rule) -> Option<Doubt<'_>> {
    let mut all: BTreeSet<&WorkloadSelector> = BTreeSet::new();
    let twice = rule.from.iter().find(|one| !all.insert(one)).map(|one| (one, one.clone()));
    let (inner, outer) = twice.or_else(|| {
        rule.from.iter().find_map(|one| {
            let holders = one.holders();
            holders.into_iter().find(|holder| all.contains(holder)).map(|holder| (one, holder))
        })
    })?;
    let message = format!("the workload `{inner}` of `{}` is part of `{outer}` already", rule.name);
    let help = "what selects a workload selects all that it holds: keep one of the two";
    Some(Doubt::of_rule(Kind::Idle, rule, message, help))
}

/// A trusted resolver that a rule denies: DNS to it is allowed before any rule is read.
fn denied_resolver<'p>(rule: &'p Rule, dns: &DnsSettings) -> Option<Doubt<'p>> {
    if rule.action == Action::Allow {
        return None;
    }
    let ports = Ports::of(&rule.ports);
    for resolver in &dns.resolvers {
        let ResolverSpec::Address { address, port } = resolver else { continue };
        let asked = Ports::of(&[
            PortSpec::Udp(PortRange::only(*port)),
            PortSpec::Tcp(PortRange::only(*port)),
        ]);
        let hit = rule.to.iter().find(|endpoint| match endpoint {
            Endpoint::Cidr { prefix, except, .. } => {
                prefix.prefix_len() > 0
                    && prefix.contains(address)
                    && !except.iter().any(|hole| hole.contains(address))
            }
            Endpoint::Fqdn { .. } => false,
        });
        if let Some(endpoint) = hit.filter(|_| !ports.common(&asked).is_empty()) {
            let message = format!(
                "`{}` does not deny DNS to `{address}`: a trusted resolver can always be asked",
                rule.name
            );
            let help = "take it out of `dns.resolvers`";
            return Some(Doubt::of_endpoint(Kind::Idle, rule, endpoint, message, help));
        }
    }
    None
}
