//! A destination as it is typed.

use std::{fmt, net::IpAddr, str::FromStr};

use enforcer_common::{address::Address, packet::protocol};

use crate::fqdn::DomainName;

/// Where to, by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) host: Host,
    /// 0 where the protocol has none.
    pub(super) port: u16,
    /// `None`: ICMP of the address's family.
    protocol: Option<u8>,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(DomainName),
    Address(IpAddr),
}

const DEFAULT_PORT: u16 = 443;

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, protocol) = match text.rsplit_once('/') {
            Some((place, protocol)) => (place, protocol),
            None => (text, "tcp"),
        };
        let (host, port) = split_port(place)?;
        let (protocol, has_ports) = match protocol {
            "tcp" => (Some(protocol::TCP), true),
            "udp" => (Some(protocol::UDP), true),
            "sctp" => (Some(protocol::SCTP), true),
            "icmp" => (None, false),
            number => {
                let number = number.parse().map_err(|_not_a_number: std::num::ParseIntError| {
                    format!("unknown protocol `{number}`: tcp, udp, sctp, icmp or a number")
                })?;
                (Some(number), false)
            }
        };
        if port.is_some() && !has_ports {
            return Err(format!("a port has no meaning here: write `{host}/icmp` and the like"));
        }
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => Host::Name(DomainName::parse(host).map_err(|error| error.to_string())?),
        };
        let port = if has_ports { port.unwrap_or(DEFAULT_PORT) } else { 0 };
        Ok(Self { host, port, protocol })
    }
}

/// `host`, `host:port`, `[v6]:port`, `v6`.
fn split_port(place: &str) -> Result<(&str, Option<u16>), String> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or("`[` without `]`")?;
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, Some(parse_port(port)?))),
            None if tail.is_empty() => Ok((host, None)),
            None => Err(format!("unexpected `{tail}` behind the address")),
        };
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(parse_port(port)?))),
        _ => Ok((place, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_not_a_port: std::num::ParseIntError| {
        format!("`{text}` is no port: a number from 0 to 65535")
    })
}

impl Destination {
    /// The protocol number on the wire to an address.
    pub(super) fn protocol_on(&self, address: &Address) -> u8 {
        let icmp = if address.is_v4() { protocol::ICMP } else { protocol::ICMPV6 };
        self.protocol.unwrap_or(icmp)
    }

    /// The protocol as it is typed.
    pub(super) fn protocol_name(&self) -> String {
        match self.protocol {
            None => "icmp".to_owned(),
            Some(protocol::TCP) => "tcp".to_owned(),
            Some(protocol::UDP) => "udp".to_owned(),
            Some(protocol::SCTP) => "sctp".to_owned(),
            Some(number) => number.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_str()),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}
