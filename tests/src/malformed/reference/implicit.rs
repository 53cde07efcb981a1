//! Traffic that no policy needs to name, as `docs/reasons.md` lists it.

use std::net::IpAddr;

use enforcer_common::verdict::Implicit;

use super::{Headers, policy};

pub(super) fn accepts(headers: &Headers<'_>) -> Option<Implicit> {
    let is = |holds: bool, implicit| holds.then_some(implicit);
    let port = headers.destination_port;
    match (headers.network.protocol, headers.network.destination) {
        (58, IpAddr::V6(_)) => is(is_discovery(headers), Implicit::NeighbourDiscovery)
            .or_else(|| is(is_mld(headers), Implicit::GroupMembership)),
        (2, IpAddr::V4(to)) => {
            is(to.is_multicast() && headers.network.hop_limit == 1, Implicit::GroupMembership)
        }
        (17, _) if is_dhcp(headers) => Some(Implicit::Dhcp),
        (6 | 17, to) => is(policy::is_resolver(to, port), Implicit::Dns),
        _ => None,
    }
}

/// Router solicitations (133) to link scope; neighbour solicitations (135) and advertisements (136)
/// there too, or to a unicast address in 104 bytes. All with a hop limit of 255 (RFC 4861).
fn is_discovery(headers: &Headers<'_>) -> bool {
    let is_short = headers.bytes.len() <= 104 && !is_multicast(headers);
    headers.network.hop_limit == 255
        && match headers.destination_port {
            133 => is_link_scope(headers),
            135 | 136 => is_link_scope(headers) || is_short,
            _ => false,
        }
}

/// Reports (131, 143) and the end of a membership (132), with a hop limit of one (RFC 3810, 5.2).
fn is_mld(headers: &Headers<'_>) -> bool {
    is_multicast(headers)
        && headers.network.hop_limit == 1
        && matches!(headers.destination_port, 131 | 132 | 143)
}

fn is_dhcp(headers: &Headers<'_>) -> bool {
    match (headers.network.destination, headers.source_port, headers.destination_port) {
        (IpAddr::V4(to), 68, 67) => {
            let is_shared = matches!(to.octets(), [100, 64..=127, ..]);
            let is_azure = to.octets() == [168, 63, 129, 16];
            let is_near = to.is_broadcast() || to.is_private() || to.is_link_local();
            is_near || is_shared || is_azure
        }
        (IpAddr::V6(_), 546, 547) => is_link_scope(headers),
        _ => false,
    }
}

fn is_multicast(headers: &Headers<'_>) -> bool {
    headers.network.destination.is_multicast()
}

/// `ff02::/16` and `fe80::/10`.
fn is_link_scope(headers: &Headers<'_>) -> bool {
    match headers.network.destination {
        IpAddr::V6(to) => to.is_unicast_link_local() || to.octets().starts_with(&[0xff, 0x02]),
        IpAddr::V4(_) => false,
    }
}
