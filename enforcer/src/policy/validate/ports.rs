//! Protocols and ports: `tcp/443`, `tcp/8000-8010`, `udp/any`, `tcp`, `icmp`, `ip/47`, `any`.

use super::report::{Report, nearest};
use crate::policy::{
    PortRange, PortSpec,
    document::{Node, Value},
};

const FORMS: &str = "`tcp/443`, `tcp/8000-8010`, `udp/any`, `sctp/3868`, `icmp`, `ip/47` or `any`";
const PROTOCOLS: [&str; 5] = ["tcp", "udp", "sctp", "icmp", "ip"];
/// IANA protocol numbers with a notation of their own (RFC 790 and its registry).
const NAMED: [(u8, &str); 5] =
    [(1, "icmp"), (58, "icmp"), (6, "tcp/443"), (17, "udp/53"), (132, "sctp/3868")];
/// Protocols that people know by name, and their numbers in the registry.
const NUMBERS: [(&str, u8); 8] = [
    ("igmp", 2),
    ("ipip", 4),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("vrrp", 112),
];
/// Services that people write for a port (RFC 6335 registry).
const SERVICES: [(&str, &str); 7] = [
    ("https", "tcp/443"),
    ("http", "tcp/80"),
    ("dns", "udp/53"),
    ("ntp", "udp/123"),
    ("ssh", "tcp/22"),
    ("smtp", "tcp/25"),
    ("ping", "icmp"),
];

/// Reads `ports`.
pub(super) fn list(node: &Node, report: &mut Report) -> Option<Vec<PortSpec>> {
    let entries = report.list(node, "`ports`", "`ports: [tcp/443]`")?;
    if entries.is_empty() {
        report.error(
            node,
            "`ports` is empty",
            format!("remove it for every port, or write {FORMS}"),
        );
        return None;
    }
    let mut specs = Vec::with_capacity(entries.len());
    let mut is_sound = true;
    for entry in entries {
        match read(entry) {
            Ok(found) => specs.push(found),
            Err((message, help)) => {
                report.error(entry, message, help);
                is_sound = false;
            }
        }
    }
    is_sound.then_some(specs)
}

type Refusal = (String, String);

fn read(entry: &Node) -> Result<PortSpec, Refusal> {
    match &entry.value {
        Value::Scalar(text) => spec(text),
        // What YAML makes of `tcp: 443`.
        Value::Mapping(pairs)
            if pairs.len() == 1
                && pairs.iter().all(|(k, v)| !k.text().is_empty() && !v.text().is_empty()) =>
        {
            let form = pairs.iter().map(|(k, v)| format!("`{}/{}`", k.text(), v.text()));
            let message = "an entry of `ports` is a mapping, and a text is wanted";
            Err((message.to_owned(), format!("write {}", form.collect::<String>())))
        }
        Value::Nothing | Value::Sequence(_) | Value::Mapping(_) => {
            let message = format!("an entry of `ports` is {}, and a text is wanted", entry.kind());
            Err((message, format!("write {FORMS}")))
        }
    }
}

fn spec(text: &str) -> Result<PortSpec, Refusal> {
    let (protocol, ports) = match text.split_once('/') {
        Some((protocol, ports)) => (protocol, Some(ports)),
        None => (text, None),
    };
    match (protocol, ports) {
        ("any", None) => Ok(PortSpec::Every),
        ("icmp", None) => Ok(PortSpec::Icmp),
        ("icmp", Some(_)) => Err(("ICMP has no ports".to_owned(), "write `icmp`".to_owned())),
        ("tcp", ports) => range(protocol, ports).map(PortSpec::Tcp),
        ("udp", ports) => range(protocol, ports).map(PortSpec::Udp),
        ("sctp", ports) => range(protocol, ports).map(PortSpec::Sctp),
        ("ip", Some(number)) => self::number(number),
        _ => Err(refusal(text, protocol, ports)),
    }
}

fn number(text: &str) -> Result<PortSpec, Refusal> {
    let Ok(number) = text.parse::<u8>() else {
        let message = format!("`{text}` is no protocol number");
        return Err((message, "write a number from 0 to 255, such as `ip/47` for GRE".to_owned()));
    };
    match NAMED.iter().find(|(known, _)| *known == number) {
        Some((_, form)) => Err((
            format!("protocol {number} has a notation of its own"),
            format!("write it as in `{form}`"),
        )),
        None => Ok(PortSpec::Number(number)),
    }
}

fn range(protocol: &str, ports: Option<&str>) -> Result<PortRange, Refusal> {
    let Some(ports) = ports.filter(|ports| *ports != "any") else { return Ok(PortRange::ANY) };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    if first.is_empty() || last.is_empty() {
        let help = format!("write both ends, such as `{protocol}/8000-8010`, or `{protocol}/any`");
        return Err((format!("`{protocol}/{ports}` lacks a port"), help));
    }
    let (low, high) = (port(protocol, first)?, port(protocol, last)?);
    PortRange::new(low, high).ok_or_else(|| {
        (
            format!("the range `{ports}` ends before it begins"),
            format!("write `{protocol}/{high}-{low}`"),
        )
    })
}

fn port(protocol: &str, text: &str) -> Result<u16, Refusal> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        let service = SERVICES.iter().find(|(name, _)| *name == text);
        let help = match service {
            Some((_, form)) => format!("write the number: `{form}`"),
            None => format!(
                "write a number, such as `{protocol}/443`, a range, such as `{protocol}/8000-8010`, or `{protocol}/any`"
            ),
        };
        return Err((format!("`{text}` is no port"), help));
    }
    if text.len() > 1 && text.starts_with('0') {
        let plain = text.trim_start_matches('0');
        let message = format!("the port `{text}` has a leading zero");
        return Err((
            message,
            format!("write `{protocol}/{}`", if plain.is_empty() { "0" } else { plain }),
        ));
    }
    text.parse().ok().ok_or_else(|| {
        (format!("the port {text} is too large"), "the highest port is 65535".to_owned())
    })
}

/// Why a text is none of the forms, and which it probably was meant to be.
fn refusal(text: &str, protocol: &str, ports: Option<&str>) -> Refusal {
    let message = format!("`{text}` is no protocol and port");
    let lower = text.to_ascii_lowercase();
    if lower != text && spec(&lower).is_ok() {
        return (format!("`{text}` is in upper case"), format!("write `{lower}`"));
    }
    let first = text.split('-').next().unwrap_or_default();
    if !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit()) && ports.is_none() {
        let plain = match text.trim_start_matches('0') {
            "" => "0",
            plain => plain,
        };
        if let Err(refusal) = range("tcp", Some(plain)) {
            return refusal;
        }
        let mut help = format!("write `tcp/{plain}` or `udp/{plain}`");
        if plain.parse::<u8>().is_ok() {
            help.push_str("; a protocol by its number is `ip/47`");
        }
        return (format!("`{text}` does not say which protocol"), help);
    }
    if let Some(ports) = ports
        && PROTOCOLS.contains(&ports)
    {
        return (format!("`{text}` is the wrong way round"), format!("write `{ports}/{protocol}`"));
    }
    if let Some((before, after)) = text.split_once([':', ' '])
        && PROTOCOLS.contains(&before)
    {
        return (message, format!("write a slash between: `{before}/{}`", after.trim()));
    }
    if let Some((_, form)) = SERVICES.iter().find(|(name, _)| *name == lower) {
        return (format!("`{text}` is a service, not a port"), format!("write `{form}`"));
    }
    if let Some((_, number)) = NUMBERS.iter().find(|(name, _)| *name == lower) {
        return (format!("`{text}` is written by its number"), format!("write `ip/{number}`"));
    }
    if matches!(lower.as_str(), "icmpv6" | "icmp6") {
        return (message, "write `icmp`: it stands for both families".to_owned());
    }
    match (nearest(protocol, &PROTOCOLS), ports) {
        (Some(word), Some(ports)) => {
            (message, format!("did you mean `{word}/{ports}`? the forms are {FORMS}"))
        }
        (Some(word), None) => (message, format!("did you mean `{word}`? the forms are {FORMS}")),
        (None, _) => (message, format!("write {FORMS}")),
    }
}
