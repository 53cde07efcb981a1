//! Traffic that no policy needs to name.

use super::Tables;
use crate::{
    address::Address,
    packet::{Packet, protocol},
    settings::{Settings, flag},
    verdict::Implicit,
};

/// A packet with this hop limit cannot have crossed a router (RFC 4861, 7.1).
const ON_LINK_HOP_LIMIT: u8 = 255;
/// Longest discovery packet to a unicast global address: header 40, solicitation 24, link-layer
/// address option 8, nonce option 8 (RFC 7527), and as much again for what is to come.
const MAX_UNICAST_DISCOVERY_BYTES: u32 = 104;

const ROUTER_SOLICITATION: u16 = 133;
const NEIGHBOUR_SOLICITATION: u16 = 135;
const NEIGHBOUR_ADVERTISEMENT: u16 = 136;

const MLD_REPORT: u16 = 131;
const MLD_DONE: u16 = 132;
const MLD2_REPORT: u16 = 143;

const DHCP_CLIENT: u16 = 68;
const DHCP_SERVER: u16 = 67;
const DHCP6_CLIENT: u16 = 546;
const DHCP6_SERVER: u16 = 547;

const DNS: u16 = 53;

/// The implicit rule that accepts a packet which is not a later fragment.
#[inline(always)]
pub(super) fn accepts(
    tables: &impl Tables,
    settings: &Settings,
    packet: &Packet,
) -> Option<Implicit> {
    match packet.protocol {
        protocol::ICMPV6 if packet.is_v6 => {
            if is_discovery(packet) {
                return Some(Implicit::NeighbourDiscovery);
            }
            if is_mld(packet) {
                return Some(Implicit::GroupMembership);
            }
            None
        }
        protocol::IGMP if !packet.is_v6 => {
            // RFC 3376, 4: every membership message has a time to live of one.
            let [first, ..] = packet.destination.v4_bytes();
            (first & 0xf0 == 0xe0 && packet.hop_limit == 1).then_some(Implicit::GroupMembership)
        }
        protocol::UDP | protocol::TCP => {
            if packet.protocol == protocol::UDP && is_dhcp(packet) {
                return Some(Implicit::Dhcp);
            }
            let port = packet.destination_port;
            let is_dns = is_dns(tables, settings, &packet.destination, packet.protocol, port)
                || tables.has_asked_resolver();
            is_dns.then_some(Implicit::Dns)
        }
        _ => None,
    }
}

/// Whether a destination is a trusted resolver's DNS service.
#[inline(always)]
pub(super) fn is_dns(
    tables: &impl Tables,
    settings: &Settings,
    destination: &Address,
    protocol: u8,
    port: u16,
) -> bool {
    (protocol == protocol::UDP || protocol == protocol::TCP)
        && (port == DNS || settings.has(flag::RESOLVER_PORTS))
        && tables.is_resolver(destination, port)
}

/// Solicitations and advertisements, never router advertisements or redirects: this is a host.
#[inline(always)]
fn is_discovery(packet: &Packet) -> bool {
    if packet.hop_limit != ON_LINK_HOP_LIMIT {
        return false;
    }
    let [first, second, ..] = packet.destination.scope_bytes();
    let is_link_scope = first == 0xff && second == 0x02 || first == 0xfe && second & 0xc0 == 0x80;
    match packet.destination_port {
        ROUTER_SOLICITATION => is_link_scope,
        // Reachability is probed by unicast to the neighbour's own, often global, address.
        NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT => {
            is_link_scope || first != 0xff && packet.length <= MAX_UNICAST_DISCOVERY_BYTES
        }
        _ => false,
    }
}

/// Reports of a host (RFC 3810, 5.2: hop limit one); queries are a router's.
#[inline(always)]
fn is_mld(packet: &Packet) -> bool {
    let [first, ..] = packet.destination.scope_bytes();
    first == 0xff
        && packet.hop_limit == 1
        && matches!(packet.destination_port, MLD_REPORT | MLD_DONE | MLD2_REPORT)
}

/// A client's messages (RFC 2131, 4.1; RFC 8415, 7.2) to where servers are: broadcast, link scope
/// and, for renewal, private addresses. A server elsewhere still hears the rebinding broadcast.
#[inline(always)]
fn is_dhcp(packet: &Packet) -> bool {
    match (packet.source_port, packet.destination_port) {
        (DHCP_CLIENT, DHCP_SERVER) if !packet.is_v6 => {
            is_dhcp_server_place(packet.destination.v4_bytes())
        }
        (DHCP6_CLIENT, DHCP6_SERVER) if packet.is_v6 => {
            let [first, second, ..] = packet.destination.scope_bytes();
            first == 0xff && second == 0x02 || first == 0xfe && second & 0xc0 == 0x80
        }
        _ => false,
    }
}

/// Limited broadcast, RFC 1918, RFC 6598, RFC 3927, and Azure's 168.63.129.16, which is the DHCP
/// server of every virtual machine there.
#[inline(always)]
fn is_dhcp_server_place([a, b, c, d]: [u8; 4]) -> bool {
    let is_all_ones = a & b & c & d == 0xff;
    let is_private = a == 10 || a == 172 && b & 0xf0 == 16 || a == 192 && b == 168;
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_link_local = a == 169 && b == 254;
    let is_azure = a == 168 && b == 63 && c == 129 && d == 16;
    is_all_ones || is_private || is_shared || is_link_local || is_azure
}
