//! Which of the links are uplinks: a function of the tables, without a kernel.

use std::collections::{BTreeMap, BTreeSet};

use super::{Choice, Uplink};

/// Hardware types (`ARPHRD_*`, `include/uapi/linux/if_arp.h`).
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;
/// Those whose frames are bare packets when a program at TC sees them: PPP, tunnels of IP in IP,
/// GRE, raw IP, and none.
const BARE: [u16; 7] = [512, 768, 769, 776, 778, 519, 0xfffe];

/// How deep devices may lie on one another.
const MAX_DEPTH: usize = 8;

/// What a link is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hardware, real or of a virtual machine.
    Hardware,
    /// A bridge: frames of the node itself leave by the bridge, not by a port.
    Bridge,
    /// A bond or a team: its frames leave by its ports.
    Bond,
    /// A VLAN, macvlan or ipvlan: its frames leave by the device below.
    Upper,
    /// Anything else: veth, tunnel, tun.
    Other,
}

/// A link of the kernel's table.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware type (`ARPHRD_*`).
    pub hardware: u16,
    /// What it is.
    pub kind: Kind,
    /// The bridge, bond or other device that it is a port of.
    pub master: Option<u32>,
    /// The device below it, where that is in the same network namespace.
    pub lower: Option<u32>,
}

/// A route that leads away from the node: a default route, or one with a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The device that it leads out by.
    pub device: u32,
}

/// What a choice comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The uplinks, by index.
    pub uplinks: Vec<Uplink>,
    /// Devices that were named and are not there.
    pub missing: Vec<String>,
    /// Devices that packets leave by and that no program can read, with their hardware type.
    pub unreadable: Vec<(String, u16)>,
}

/// Finds the uplinks.
///
/// `held` are the devices that are judged already: they stay, whatever becomes of the routes, as
/// long as they are there and no port of a bridge.
pub fn select(choice: &Choice, links: &[Link], routes: &[Route], held: &BTreeSet<u32>) -> Found {
    let links: BTreeMap<u32, &Link> = links.iter().map(|link| (link.index, link)).collect();
    let mut found = Found::default();
    let mut chosen = BTreeSet::new();
    match choice {
        Choice::None => {}
        Choice::Named(names) => {
            for name in names {
                match links.values().find(|link| link.name == *name) {
                    Some(link) => drop(chosen.insert(link.index)),
                    None => found.missing.push(name.clone()),
                }
            }
        }
        Choice::Auto => {
            let routed = routes.iter().map(|route| route.device);
            let hardware = links.values().filter(|link| link.kind == Kind::Hardware);
            for index in routed.chain(hardware.map(|link| link.index)) {
                add_lowest(index, &links, MAX_DEPTH, &mut chosen);
            }
            chosen.extend(held);
            let is_port = |link: &Link| {
                let master = link.master.and_then(|master| links.get(&master));
                master.is_some_and(|master| master.kind == Kind::Bridge)
            };
            chosen.retain(|index| {
                links.get(index).is_some_and(|link| link.hardware != LOOPBACK && !is_port(link))
            });
        }
    }
    for link in chosen.iter().filter_map(|index| links.get(index)) {
        let is_ethernet = link.hardware == ETHERNET;
        if is_ethernet || BARE.contains(&link.hardware) {
            found.uplinks.push(Uplink { index: link.index, name: link.name.clone(), is_ethernet });
        } else {
            found.unreadable.push((link.name.clone(), link.hardware));
        }
    }
    found
}

/// Adds the devices that frames of a device leave by in the end.
fn add_lowest(index: u32, links: &BTreeMap<u32, &Link>, depth: usize, chosen: &mut BTreeSet<u32>) {
    let Some(link) = links.get(&index) else { return };
    let below: Vec<u32> = match link.kind {
        Kind::Upper => link.lower.into_iter().collect(),
        Kind::Bond => {
            let ports = links.values().filter(|port| port.master == Some(index));
            ports.map(|port| port.index).collect()
        }
        Kind::Hardware | Kind::Bridge | Kind::Other => Vec::new(),
    };
    let below: Vec<u32> = below.into_iter().filter(|below| links.contains_key(below)).collect();
    if below.is_empty() || depth == 0 {
        chosen.insert(index);
    }
    for lower in below.into_iter().take(if depth == 0 { 0 } else { usize::MAX }) {
        add_lowest(lower, links, depth - 1, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, kind: Kind) -> Link {
        let name = name.to_owned();
        Link { index, name, hardware: ETHERNET, kind, master: None, lower: None }
    }

    fn names(choice: &Choice, links: &[Link], routes: &[u32]) -> Vec<String> {
        let routes: Vec<Route> = routes.iter().map(|&device| Route { device }).collect();
        let found = select(choice, links, &routes, &BTreeSet::new());
        found.uplinks.into_iter().map(|uplink| uplink.name).collect()
    }

    fn loopback() -> Link {
        Link { hardware: LOOPBACK, ..link(1, "lo", Kind::Hardware) }
    }

    #[test]
    fn hardware_and_what_a_route_leads_out_by_are_uplinks() {
        let links = [
            loopback(),
            link(2, "eth0", Kind::Hardware),
            link(3, "eth1", Kind::Hardware),
            link(4, "wg0", Kind::Other),
            link(5, "veth-of-a-pod", Kind::Other),
        ];

        assert_eq!(names(&Choice::Auto, &links, &[2, 4]), ["eth0", "eth1", "wg0"]);
        assert!(names(&Choice::None, &links, &[2, 4]).is_empty());
    }

    #[test]
    fn what_lies_on_another_device_is_judged_there() {
        let links = [
            Link { master: Some(4), ..link(2, "eth0", Kind::Hardware) },
            Link { master: Some(4), ..link(3, "eth1", Kind::Other) },
            link(4, "bond0", Kind::Bond),
            Link { lower: Some(4), ..link(5, "bond0.7", Kind::Upper) },
            Link { lower: Some(9), ..link(6, "macvlan-of-another-namespace", Kind::Upper) },
        ];

        let expected = ["eth0", "eth1", "macvlan-of-another-namespace"];
        assert_eq!(names(&Choice::Auto, &links, &[5, 6]), expected);
    }

    #[test]
    fn a_bridge_is_an_uplink_and_its_ports_are_none() {
        let links = [
            Link { master: Some(3), ..link(2, "eth0", Kind::Hardware) },
            link(3, "br0", Kind::Bridge),
            Link { master: Some(3), ..link(4, "tap0", Kind::Other) },
        ];

        assert_eq!(names(&Choice::Auto, &links, &[3]), ["br0"]);
    }

    #[test]
    fn a_device_that_is_judged_stays_until_it_is_a_port_or_gone() {
        let held: BTreeSet<u32> = [2, 3, 4].into();
        let links = [
            link(2, "veth0", Kind::Other),
            Link { master: Some(5), ..link(3, "veth1", Kind::Other) },
            link(5, "br0", Kind::Bridge),
        ];

        let found = select(&Choice::Auto, &links, &[], &held);

        assert_eq!(found.uplinks.iter().map(|it| it.index).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn devices_can_be_named_and_may_be_missing_or_unreadable() {
        let links = [
            link(2, "eth0", Kind::Hardware),
            Link { hardware: 32, ..link(3, "ib0", Kind::Hardware) },
        ];
        let choice = Choice::Named(["eth0", "eth9", "ib0"].map(str::to_owned).to_vec());

        let found = select(&choice, &links, &[], &BTreeSet::new());

        assert_eq!(found.uplinks.iter().map(|it| &it.name).collect::<Vec<_>>(), ["eth0"]);
        assert_eq!(found.missing, ["eth9"]);
        assert_eq!(found.unreadable, [("ib0".to_owned(), 32)]);
    }

    #[test]
    fn devices_that_lie_on_one_another_in_a_circle_end() {
        let links = [
            Link { lower: Some(3), ..link(2, "a", Kind::Upper) },
            Link { lower: Some(2), ..link(3, "b", Kind::Upper) },
        ];

        assert_eq!(names(&Choice::Auto, &links, &[2]).len(), 1);
    }
}
