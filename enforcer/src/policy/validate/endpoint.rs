//! Destinations: names and address ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{fields::Fields, report::Report};
use crate::{
    fqdn::{Pattern, PatternError},
    policy::{
        Endpoint,
        document::{Node, Value},
    },
};

pub(in crate::policy) const KEYS: [&str; 4] = ["fqdn", "labels", "cidr", "except"];
const FORMS: &str = "`{fqdn: example.com}` or `{cidr: 203.0.113.0/24}`";
/// IPv4-mapped IPv6 addresses (RFC 4291, section 2.5.5.2).
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
const EVERY_V4: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
const EVERY_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// Reads `to`.
pub(super) fn list(node: &Node, report: &mut Report) -> Option<Vec<Endpoint>> {
    let entries =
        report.list(node, "`to`", &format!("`to: [{{fqdn: example.com}}]`: a list of {FORMS}"))?;
    if entries.is_empty() {
        report.error(
            node,
            "`to` is empty",
            format!("write {FORMS}, or `{{cidr: any}}` for everywhere"),
        );
        return None;
    }
    let mut endpoints = Vec::with_capacity(entries.len());
    let mut is_sound = true;
    for entry in entries {
        match endpoint(entry, report) {
            Some(found) => endpoints.extend(found),
            None => is_sound = false,
        }
    }
    is_sound.then_some(endpoints)
}

fn endpoint(node: &Node, report: &mut Report) -> Option<Vec<Endpoint>> {
    if let Value::Scalar(text) = &node.value {
        let form = match text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() {
            true => format!("`{{cidr: {text}}}`"),
            false if Pattern::parse(text, None).is_ok() => format!("`{{fqdn: \"{text}\"}}`"),
            false => FORMS.to_owned(),
        };
        let message = "an entry of `to` does not say whether it is a name or a range";
        report.error(node, message, format!("write {form}"));
        return None;
    }
    let fields = Fields::of(node, "an entry of `to`", &KEYS, report)?;
    match (fields.get("fqdn"), fields.get("cidr")) {
        (Some(_), Some(cidr)) => {
            report.error(
                cidr,
                "an entry of `to` has both `fqdn` and `cidr`",
                "make them two entries",
            );
            None
        }
        // A misspelt key is reported already, and is why there is none.
        (None, None) if fields.has_unknown() => None,
        (None, None) => {
            report.error(node, "an entry of `to` names no destination", format!("write {FORMS}"));
            None
        }
        (Some(fqdn), None) => {
            if let Some(except) = fields.get("except") {
                report.error(
                    except,
                    "`except` goes with `cidr`",
                    "put a deny rule for the names in front of this rule",
                );
                return None;
            }
            self::fqdn(fqdn, fields.get("labels"), report).map(|endpoint| vec![endpoint])
        }
        (None, Some(cidr)) => {
            if let Some(labels) = fields.get("labels") {
                report.error(labels, "`labels` goes with `fqdn`", "remove it");
                return None;
            }
            self::cidr(cidr, fields.get("except"), report)
        }
    }
}

fn fqdn(node: &Node, labels: Option<&Node>, report: &mut Report) -> Option<Endpoint> {
    let text = report.text(node, "`fqdn`", "one name, such as `fqdn: example.com`")?;
    let count = labels.map(|node| (node, node.text().parse::<u8>().ok()));
    if let Some((node, None)) = count {
        let help = "write a number from 1 to 126, such as `labels: 1`";
        report.error(node, "`labels` is not a number of labels", help);
        return None;
    }
    let count = count.and_then(|(_, count)| count);
    match Pattern::parse(text, count) {
        Ok(pattern) => {
            Some(Endpoint::Fqdn { pattern, line: node.place.line, column: node.place.column })
        }
        Err(error) => {
            let is_about_labels =
                matches!(error, PatternError::LabelCount(_) | PatternError::LabelsWithoutWildcard);
            let at = labels.filter(|_| is_about_labels).unwrap_or(node);
            report.error(at, error.to_string(), error.help());
            None
        }
    }
}

fn cidr(node: &Node, except: Option<&Node>, report: &mut Report) -> Option<Vec<Endpoint>> {
    let prefixes =
        if node.text() == "any" { vec![EVERY_V4, EVERY_V6] } else { vec![prefix(node, report)?] };
    let mut holes = Vec::new();
    if let Some(node) = except {
        for entry in report.list(node, "`except`", "`except: [203.0.113.8/29]`")? {
            let hole = prefix(entry, report)?;
            if !prefixes.iter().any(|prefix| is_inside(&hole, prefix)) {
                let [outer, ..] = prefixes.as_slice() else { return None };
                let same_family = matches!(hole, IpNet::V4(_)) == matches!(outer, IpNet::V4(_));
                let message = if same_family {
                    format!("`{hole}` is not inside `{outer}`")
                } else {
                    format!("`{hole}` and `{outer}` are of different families")
                };
                report.error(
                    entry,
                    message,
                    format!("`except` takes parts out of `{outer}`: write a range inside it"),
                );
                return None;
            }
            if prefixes.contains(&hole) {
                let message = format!("`{hole}` takes everything out of the range");
                report.error(entry, message, "remove the entry of `to`, or write a smaller range");
                return None;
            }
            holes.push(hole);
        }
    }
    let holes = outermost(holes);
    let endpoints = prefixes.into_iter().map(|prefix| Endpoint::Cidr {
        prefix,
        except: holes.iter().filter(|hole| is_inside(hole, &prefix)).copied().collect(),
        line: node.place.line,
        column: node.place.column,
    });
    Some(endpoints.collect())
}

/// Reads a range; an address alone is a range of one. Host bits are cleared, with a warning.
pub(super) fn prefix(node: &Node, report: &mut Report) -> Option<IpNet> {
    let form = "a range, such as `203.0.113.0/24`, `2001:db8::/32`, or an address";
    let text = report.text(node, "a range", form)?;
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(written) = parsed else {
        let (message, help) = refusal(text);
        report.error(node, message, help);
        return None;
    };
    if let IpNet::V6(v6) = written
        && MAPPED.contains(&v6)
    {
        let v4 = v6.addr().to_ipv4_mapped().map_or_else(String::new, |address| {
            format!("{address}/{}", v6.prefix_len() - MAPPED.prefix_len())
        });
        report.error(node, "an IPv4-mapped address is IPv4 on the wire", format!("write `{v4}`"));
        return None;
    }
    let masked = written.trunc();
    if masked != written {
        let message = format!("`{text}` has host bits set: read as `{masked}`");
        let host = written.addr();
        report.warning(
            node,
            message,
            format!("write `{masked}` for the range, `{host}` for the one address"),
        );
    }
    Some(masked)
}

/// Why a text is no range.
fn refusal(text: &str) -> (String, String) {
    let form = "write a range, such as `203.0.113.0/24` or `2001:db8::/32`, an address, or `any`";
    if let Some((address, bits)) = text.split_once('/')
        && let Ok(address) = address.parse::<IpAddr>()
    {
        let most = if address.is_ipv4() { 32 } else { 128 };
        return match bits.parse::<IpAddr>() {
            Ok(mask) => {
                let bits = ipnet::ip_mask_to_prefix(mask).unwrap_or(24);
                let help = format!("write the length of the prefix: `{address}/{bits}`");
                (format!("`{text}` has a netmask"), help)
            }
            Err(_) => (
                format!("`/{bits}` is no prefix length"),
                format!("write a number from 0 to {most}, such as `{address}/{most}`"),
            ),
        };
    }
    if let Some((first, last)) = text.split_once('-')
        && first.trim().parse::<IpAddr>().is_ok()
        && last.trim().parse::<IpAddr>().is_ok()
    {
        return (format!("`{text}` is written as first and last address"), form.to_owned());
    }
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return (
            format!("`{text}` has a port"),
            "write the address alone, and the port under `ports`, such as `ports: [tcp/443]`"
                .to_owned(),
        );
    }
    if matches!(text, "*" | "all" | "everywhere" | "internet") {
        return (format!("`{text}` is no address range"), "write `any` for everywhere".to_owned());
    }
    if Pattern::parse(text, None).is_ok() {
        return (format!("`{text}` is a name, not a range"), format!("write `fqdn: \"{text}\"`"));
    }
    (format!("`{text}` is no address range"), form.to_owned())
}

fn is_inside(inner: &IpNet, outer: &IpNet) -> bool {
    outer.contains(inner)
}

/// Sorted, and without those inside another.
fn outermost(mut ranges: Vec<IpNet>) -> Vec<IpNet> {
    ranges.sort_unstable();
    let mut kept: Vec<IpNet> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if !kept.last().is_some_and(|last| last.contains(&range)) {
            kept.push(range);
        }
    }
    kept
}
