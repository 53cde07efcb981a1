//! The addresses that are allowed, and the same list as each contender takes it.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::lookups::ZONE;
use crate::probe::Family;

/// Where datagrams go.
pub(super) const PORT: u16 = 9_000;
/// Of more destinations than this the many do not tell more: what a lookup touches has long left
/// the caches, and the kernel tracks no more than 262,144 connections by itself.
const MOST_DESTINATIONS: usize = 4_096;
/// Odd, so that it is a permutation of the numbers of 24 bits (Knuth's multiplicative hash).
const SCATTER: u32 = 0x9e_37_79_b1;
const LOW_24: u32 = 0x00ff_ffff;

/// Addresses of one family, scattered over a range as large as IPv4's largest networks.
#[derive(Debug)]
pub(super) struct Allowlist {
    addresses: Vec<IpAddr>,
    family: Family,
}

impl Allowlist {
    pub(super) fn new(count: u32, family: Family) -> Self {
        let address = |number: u32| {
            let low = number.wrapping_mul(SCATTER) & LOW_24;
            match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(20 << 24 | low)),
                Family::V6 => {
                    let network = Ipv6Addr::new(0x2001, 0xdb8, 0xbe, 0, 0, 0, 0, 0).to_bits();
                    // Half of it in the part that names a network.
                    let spread = u128::from(low >> 12) << 64 | u128::from(low & 0xfff);
                    IpAddr::V6(Ipv6Addr::from_bits(network | spread))
                }
            }
        };
        Self { addresses: (1..=count).map(address).collect(), family }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Some of the list, from all over it.
    pub(super) fn destinations(&self) -> Vec<SocketAddr> {
        let step = self.addresses.len().div_ceil(MOST_DESTINATIONS).max(1);
        self.addresses.iter().step_by(step).map(|it| SocketAddr::new(*it, PORT)).collect()
    }

    /// One of the list that answers questions as well, so that every contender lets them pass.
    pub(super) fn resolver(&self) -> IpAddr {
        let none = IpAddr::from([0; 4]);
        self.addresses.first().copied().unwrap_or(none)
    }

    /// A policy of so many rules: the last has the list and the names of the zone, those before have
    /// an address, a name and a port each.
    pub(super) fn policy(&self, rules: u32) -> String {
        let resolver = self.resolver();
        let mut text = format!(
            "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: bench}}\nspec:\n  \
             virtualRanges: []\n  dns: {{resolvers: ['{resolver}']}}\n  rules:\n"
        );
        for number in 1..rules {
            let (high, low, port) = (number / 250, number % 250 + 1, 1_000 + number);
            write_to(&mut text, |text| {
                writeln!(
                    text,
                    "    - {{name: r{number}, to: [{{cidr: 100.64.{high}.{low}/32}}, \
                     {{fqdn: '*.n{number}.test'}}], ports: [tcp/{port}]}}"
                )
            });
        }
        write_to(&mut text, |text| {
            write!(
                text,
                "    - name: list\n      ports: [any]\n      to:\n        - fqdn: '*.{ZONE}'\n"
            )
        });
        self.each(&mut text, |text, address| writeln!(text, "        - cidr: '{address}'"));
        text
    }

    /// As `nft -f` reads it.
    pub(super) fn nft(&self, has_conntrack: bool) -> String {
        let (kind, field) = match self.family {
            Family::V4 => ("ipv4_addr", "ip"),
            Family::V6 => ("ipv6_addr", "ip6"),
        };
        let established = if has_conntrack { "ct state established,related accept" } else { "" };
        let mut text =
            format!("table inet bench {{\n  set allowed {{\n    type {kind}\n    elements = {{ ");
        self.each(&mut text, |text, address| write!(text, "{address},"));
        // A comma may close the list.
        write_to(&mut text, |text| {
            write!(
                text,
                "}}\n  }}\n  chain output {{\n    type filter hook output priority 0; policy drop;\n    \
                 {established}\n    {field} daddr @allowed accept\n  }}\n}}\n"
            )
        });
        text
    }

    /// As `ipset restore` reads it.
    pub(super) fn ipset(&self) -> String {
        let family = match self.family {
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        let room = self.addresses.len();
        let mut text = format!("create list hash:ip family {family} maxelem {room}\n");
        self.each(&mut text, |text, address| writeln!(text, "add list {address}"));
        text
    }

    fn each(&self, text: &mut String, write: fn(&mut String, IpAddr) -> std::fmt::Result) {
        for address in &self.addresses {
            write_to(text, |text| write(text, *address));
        }
    }
}

/// A text that is in memory takes whatever is written to it.
fn write_to(text: &mut String, write: impl FnOnce(&mut String) -> std::fmt::Result) {
    let _: std::fmt::Result = write(text);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_address_is_there_twice() {
        for family in [Family::V4, Family::V6] {
            let list = Allowlist::new(100_000, family);

            assert_eq!(list.addresses.iter().collect::<BTreeSet<_>>().len(), 100_000);
            assert!(list.destinations().len() <= MOST_DESTINATIONS);
        }
    }
}
