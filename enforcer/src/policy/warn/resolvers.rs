//! Resolvers that a workload could ask past the trusted ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Doubt, Kind,
    cover::Ports,
    destination,
    shared_suffix::{Breadth, breadth},
};
use crate::{
    fqdn::Pattern,
    policy::{Action, DnsSettings, Endpoint, PortRange, PortSpec, ResolverSpec, Rule},
};

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, d: u16, tail: [u16; 2]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, tail[0], tail[1]))
}

/// Public resolvers that answer over TLS, HTTPS or QUIC, by the addresses their operators publish:
/// Google, Cloudflare, Quad9, `OpenDNS`, `AdGuard`.
const ADDRESSES: &[IpAddr] = &[
    v4(8, 8, 8, 8),
    v4(8, 8, 4, 4),
    v6(0x2001, 0x4860, 0x4860, 0, [0, 0x8888]),
    v6(0x2001, 0x4860, 0x4860, 0, [0, 0x8844]),
    v4(1, 1, 1, 1),
    v4(1, 0, 0, 1),
    v4(1, 1, 1, 2),
    v4(1, 0, 0, 2),
    v4(1, 1, 1, 3),
    v4(1, 0, 0, 3),
    v6(0x2606, 0x4700, 0x4700, 0, [0, 0x1111]),
    v6(0x2606, 0x4700, 0x4700, 0, [0, 0x1001]),
    v4(9, 9, 9, 9),
    v4(149, 112, 112, 112),
    v6(0x2620, 0xfe, 0, 0, [0, 0xfe]),
    v6(0x2620, 0xfe, 0, 0, [0, 9]),
    v4(208, 67, 222, 222),
    v4(208, 67, 220, 220),
    v6(0x2620, 0x119, 0x35, 0, [0, 0x35]),
    v6(0x2620, 0x119, 0x53, 0, [0, 0x53]),
    v4(94, 140, 14, 14),
    v4(94, 140, 15, 15),
];

/// The names of such resolvers.
const NAMES: &[&str] = &[
    "dns.google",
    "dns.google.com",
    "cloudflare-dns.com",
    "one.one.one.one",
    "1dot1dot1dot1.cloudflare-dns.com",
    "chrome.cloudflare-dns.com",
    "mozilla.cloudflare-dns.com",
    "security.cloudflare-dns.com",
    "family.cloudflare-dns.com",
    "dns.quad9.net",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "doh.opendns.com",
    "dns.opendns.com",
    "dns.adguard-dns.com",
    "dns.nextdns.io",
    "doh.cleanbrowsing.org",
];

/// DNS over HTTPS (RFC 8484, and over QUIC RFC 9114), over TLS (RFC 7858), over QUIC (RFC 9250).
const ENCRYPTED: [u16; 2] = [443, 853];
const DNS: u16 = 53;

/// Adds a doubt where a rule lets workloads ask a resolver that nothing is learned from.
pub(super) fn doubts<'p>(rule: &'p Rule, dns: &DnsSettings, doubts: &mut Vec<Doubt<'p>>) {
    if rule.action == Action::Deny {
        return;
    }
    let ports = Ports::of(&rule.ports);
    let common = ports.common(&on_both(&ENCRYPTED));
    if !common.is_empty() {
        let known = known_patterns();
        for endpoint in &rule.to {
            if let Some(resolver) = reaches(endpoint, &known) {
                let message = format!(
                    "`{}` allows encrypted DNS to {resolver} on {}: nothing is learned from it",
                    destination(endpoint),
                    common.text()
                );
                let help = "names asked there stay closed, and it carries data out: leave it out, \
                            or take 443 and 853 off the ports";
                doubts.push(Doubt::of_endpoint(Kind::EncryptedDns, rule, endpoint, message, help));
            }
        }
    }
    // A rule for many ports is not about DNS; one that names port 53 is.
    let is_about_dns = rule.ports.iter().any(|spec| match spec {
        PortSpec::Udp(range) | PortSpec::Tcp(range) => *range == PortRange::only(DNS),
        PortSpec::Every | PortSpec::Sctp(_) | PortSpec::Icmp | PortSpec::Number(_) => false,
    });
    if is_about_dns
        && let Some(endpoint) = rule.to.iter().find(|endpoint| !may_be_trusted(endpoint, dns))
    {
        let message = format!(
            "`{}` lets `{}` be asked for names, and answers from there are not learned",
            rule.name,
            destination(endpoint)
        );
        let help = "list servers to trust under `dns.resolvers`; DNS to those needs no rule";
        doubts.push(Doubt::of_endpoint(Kind::OtherDns, rule, endpoint, message, help));
    }
}

fn on_both(ports: &[u16]) -> Ports {
    let ranges = ports.iter().map(|port| PortRange::only(*port));
    Ports::of(
        &ranges.flat_map(|range| [PortSpec::Tcp(range), PortSpec::Udp(range)]).collect::<Vec<_>>(),
    )
}

fn known_patterns() -> Vec<Pattern> {
    NAMES.iter().filter_map(|name| Pattern::parse(name, None).ok()).collect()
}

/// The public resolver that an endpoint opens, unless it opens so much that others tell of it.
fn reaches(endpoint: &Endpoint, known: &[Pattern]) -> Option<String> {
    match endpoint {
        Endpoint::Fqdn { pattern, .. } => {
            let name =
                known.iter().filter_map(Pattern::exact).find(|name| pattern.matches(name))?;
            let is_told =
                matches!(breadth(pattern), Some(Breadth::Everything | Breadth::Public(_)));
            (!is_told).then(|| format!("`{name}`"))
        }
        Endpoint::Cidr { prefix, except, .. } => {
            let is_in = |address: &&IpAddr| {
                prefix.contains(*address) && !except.iter().any(|hole| hole.contains(*address))
            };
            let address = ADDRESSES.iter().find(is_in).filter(|_| prefix.prefix_len() > 0)?;
            Some(format!("the public resolver {address}"))
        }
    }
}

/// Whether an endpoint is a trusted resolver, or one address that the system may be set up with.
fn may_be_trusted(endpoint: &Endpoint, dns: &DnsSettings) -> bool {
    let Endpoint::Cidr { prefix, .. } = endpoint else { return false };
    prefix.prefix_len() == prefix.max_prefix_len()
        && dns.resolvers.iter().any(|resolver| match resolver {
            ResolverSpec::System => true,
            ResolverSpec::Address { address, .. } => prefix.contains(address),
        })
}
