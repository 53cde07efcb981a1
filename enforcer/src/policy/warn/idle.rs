//! Destinations and workloads that no packet ever matches, and rules that come too late.

use ipnet::{IpNet, Ipv4Net};

use super::{Doubt, Kind, cover::Ports, cover::holds, destination};
use crate::{
    fqdn::{Leading, Pattern},
    policy::{
        Action, DnsSettings, Endpoint, PortRange, PortSpec, ResolverSpec, Rule, WorkloadSelector,
    },
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

/// A cgroup that another one of the same rule holds already.
fn double_workload(rule: &Rule) -> Option<Doubt<'_>> {
    let mut sorted: Vec<&WorkloadSelector> = rule.from.iter().collect();
    sorted.sort_unstable();
    // A cgroup sorts in front of those below it, not always directly.
    let mut outer: Vec<&WorkloadSelector> = Vec::new();
    for selector in sorted {
        while outer.pop_if(|above| !starts_alike(above, selector)).is_some() {}
        if let Some(above) = outer.iter().rev().find(|above| holds(above, selector)) {
            let (WorkloadSelector::Cgroup(inner), WorkloadSelector::Cgroup(above)) =
                (selector, *above);
            let message =
                format!("the workload `{inner}` of `{}` is part of `{above}` already", rule.name);
            let help = "a cgroup stands for all below it: keep one of the two";
            return Some(Doubt::of_rule(Kind::Idle, rule, message, help));
        }
        outer.push(selector);
    }
    None
}

fn starts_alike(above: &WorkloadSelector, below: &WorkloadSelector) -> bool {
    let (WorkloadSelector::Cgroup(above), WorkloadSelector::Cgroup(below)) = (above, below);
    below.starts_with(above.as_str())
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
