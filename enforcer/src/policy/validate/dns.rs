//! The `dns` section.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use ipnet::{IpNet, Ipv6Net};

use super::{endpoint, fields::Fields, report::Report};
use crate::policy::{
    DnsSettings, ResolverSpec,
    document::{Node, Value},
};

pub(in crate::policy) const KEYS: [&str; 7] =
    ["resolvers", "minTtl", "maxTtl", "grace", "staleTtl", "nat64", "queries"];
const DNS_PORT: u16 = 53;
/// The well-known NAT64 prefix (RFC 6052, section 2.1).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Where an IPv4 address can be embedded (RFC 6052, section 2.2).
const NAT64_BITS: [u8; 6] = [32, 40, 48, 56, 64, 96];
/// The longest TTL (RFC 2181, section 8).
const MAX_SECONDS: u64 = (1 << 31) - 1;
const DURATION: &str = "write a number and a unit: `60s`, `5m`, `1h`";
const RESOLVERS: &str = "write `system`, an address such as `10.0.0.53`, or an address and port such as `10.0.0.53:5353`";

/// What a policy without the section says.
pub(super) fn defaults() -> DnsSettings {
    DnsSettings {
        resolvers: vec![ResolverSpec::System],
        min_ttl: Duration::from_mins(1),
        max_ttl: Duration::from_hours(1),
        grace: Duration::from_mins(1),
        stale_ttl: Duration::from_hours(1),
        nat64: vec![IpNet::V6(NAT64)],
    }
}

/// Reads the section.
pub(super) fn settings(node: &Node, report: &mut Report) -> Option<DnsSettings> {
    let fields = Fields::of(node, "`dns`", &KEYS, report)?;
    let mut settings = defaults();
    if let Some(node) = fields.get("queries") {
        report.error(
            node,
            "`queries` is not in this version",
            "remove it: every query to a trusted resolver passes",
        );
    }
    if let Some(node) = fields.get("resolvers") {
        settings.resolvers = resolvers(node, report);
    }
    let times = [
        ("minTtl", &mut settings.min_ttl),
        ("maxTtl", &mut settings.max_ttl),
        ("grace", &mut settings.grace),
        ("staleTtl", &mut settings.stale_ttl),
    ];
    for (key, time) in times {
        if let Some(node) = fields.get(key)
            && let Some(read) = duration(node, key, report)
        {
            *time = read;
        }
    }
    if settings.min_ttl > settings.max_ttl
        && let Some(node) = fields.get("minTtl").or_else(|| fields.get("maxTtl"))
    {
        let (min, max) = (settings.min_ttl.as_secs(), settings.max_ttl.as_secs());
        let stated = |key| if fields.get(key).is_some() { "" } else { " unless stated" };
        let (low, high) = (stated("minTtl"), stated("maxTtl"));
        let message = format!("`minTtl` is {min}s{low}, and `maxTtl` is {max}s{high}");
        report.error(
            node,
            message,
            "the shortest lifetime cannot be above the longest: change one of them",
        );
    }
    if let Some(node) = fields.get("nat64") {
        settings.nat64 = nat64(node, report);
    }
    Some(settings)
}

fn resolvers(node: &Node, report: &mut Report) -> Vec<ResolverSpec> {
    let entries = report.list(node, "`resolvers`", "`resolvers: [system]`").unwrap_or_default();
    if entries.is_empty() && matches!(node.value, Value::Sequence(_)) {
        report.error(node, "`resolvers` is empty", "remove it for `system`, or name a server");
    }
    let mut found: Vec<ResolverSpec> = Vec::new();
    for entry in entries {
        let Some(spec) = resolver(entry, report) else { continue };
        if found.contains(&spec) {
            report.error(
                entry,
                format!("the resolver `{}` stands here twice", entry.text()),
                "keep one of them",
            );
        } else {
            found.push(spec);
        }
    }
    found
}

fn resolver(node: &Node, report: &mut Report) -> Option<ResolverSpec> {
    if let Value::Mapping(entries) = &node.value {
        let key = entries.iter().map(|(key, _)| key).find(|key| key.text() == "cgroup");
        let message = match key {
            Some(_) => "a resolver bound to a cgroup is not in this version",
            None => "a resolver is a text, not a mapping",
        };
        report.error(key.unwrap_or(node), message, RESOLVERS);
        return None;
    }
    let text = report.text(node, "a resolver", "`system` or an address")?;
    if text == "system" {
        return Some(ResolverSpec::System);
    }
    let server = text
        .parse::<SocketAddr>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, DNS_PORT)));
    let Some(server) = server else {
        let (message, help) = refusal(text);
        report.error(node, message, help);
        return None;
    };
    let address = server.ip();
    if address.to_canonical() != address {
        let help = format!("write `{}`", address.to_canonical());
        report.error(node, "an IPv4-mapped address is IPv4 on the wire", help);
    } else if address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST {
        report.error(node, format!("`{address}` is not the address of one server"), RESOLVERS);
    } else if server.port() == 0 {
        report.error(node, "port 0 is no port", format!("write `{address}` for port 53"));
    } else {
        return Some(ResolverSpec::Address { address, port: server.port() });
    }
    None
}

fn refusal(text: &str) -> (String, String) {
    if super::report::nearest(text, &["system"]).is_some() {
        return (format!("`{text}` is no resolver"), format!("did you mean `system`? {RESOLVERS}"));
    }
    if text.contains("://") {
        return (
            format!("`{text}` is a URL; resolvers are asked over UDP and TCP"),
            RESOLVERS.to_owned(),
        );
    }
    if crate::fqdn::DomainName::parse(text).is_ok() {
        let message = format!("`{text}` is a name, and a name has to be resolved first");
        return (message, RESOLVERS.to_owned());
    }
    (format!("`{text}` is no resolver"), RESOLVERS.to_owned())
}

fn duration(node: &Node, key: &str, report: &mut Report) -> Option<Duration> {
    let text = report.text(node, &format!("`{key}`"), "a time, such as `60s`")?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let Some(seconds) = seconds.filter(|_| !number.is_empty()) else {
        let message = format!("`{key}` is `{text}`, which is no time");
        let help = if unit.is_empty() && !number.is_empty() {
            format!("did you mean `{number}s`? {DURATION}")
        } else {
            DURATION.to_owned()
        };
        report.error(node, message, help);
        return None;
    };
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let total = total.filter(|total| *total <= MAX_SECONDS);
    if total.is_none() {
        let message = format!("`{key}` is `{text}`, which is too long");
        report.error(node, message, "the longest time is 24855d");
    }
    total.map(Duration::from_secs)
}

fn nat64(node: &Node, report: &mut Report) -> Vec<IpNet> {
    if node.text() == "auto" {
        report.error(
            node,
            "`nat64: auto` is not in this version",
            "write the prefixes: `nat64: [64:ff9b::/96]`",
        );
        return Vec::new();
    }
    let form = "`nat64: [64:ff9b::/96]`";
    let mut found = Vec::new();
    for entry in report.list(node, "`nat64`", form).unwrap_or_default() {
        let Some(prefix) = endpoint::prefix(entry, report) else { continue };
        if matches!(prefix, IpNet::V6(_)) && NAT64_BITS.contains(&prefix.prefix_len()) {
            found.push(prefix);
        } else {
            let message = format!("`{prefix}` cannot hold an IPv4 address");
            report.error(
                entry,
                message,
                "write an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 6052)",
            );
        }
    }
    found
}
