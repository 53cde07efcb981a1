//! Uplinks: the devices that packets leave the node by.
//!
//! What is sent by a socket is judged where it is sent. What has no socket that the cgroup hooks
//! know, such as a forwarded packet, the outer packet of a tunnel or the frame of a packet socket,
//! can be judged only where it leaves, so every way out has to be found, and found as soon as it
//! appears. This module finds them: [`select`] is a function of the kernel's tables of links and
//! routes, [`netlink`] reads those and hears of changes.
//!
//! It knows no eBPF and no policy.
//!
//! The surprising thing: a device is judged at its lowest end. A VLAN or a macvlan has its frames
//! sent by the device below it, and a bond by its ports, so that is where they are judged; what
//! appears above an uplink later needs no further hook.

mod netlink;
mod select;

use std::str::FromStr;

pub use self::{
    netlink::{UplinkError, Watch},
    select::{Found, Kind, Link, Route, select},
};

/// A device that packets leave the node by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uplink {
    /// Its index in the agent's network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether its frames have an Ethernet header; else they are bare packets.
    pub is_ethernet: bool,
}

/// A filter of a device that runs an eBPF program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Whether it is for what leaves; else for what comes.
    pub is_egress: bool,
    /// Its preference.
    pub priority: u32,
    /// Its handle.
    pub handle: u32,
    /// The kernel's number of its program.
    pub program: u32,
}

/// Which devices are to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// No device.
    None,
    /// Those that routes lead out by, and those of hardware.
    Auto,
    /// These, by name.
    Named(Vec<String>),
}

/// Longest name of a device (`IFNAMSIZ`, include/uapi/linux/if.h, less the end).
const MAX_NAME: usize = 15;

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => return Ok(Self::None),
            "auto" => return Ok(Self::Auto),
            _ => {}
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| {
            !name.is_empty()
                && name.len() <= MAX_NAME
                && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())
        };
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Err(format!(
                "`{name}` is no name of a device: expected `auto`, `none` or names such as \
                 `eth0,eth1`"
            ));
        }
        if let Some(word) = names.iter().find(|name| *name == "auto" || *name == "none") {
            return Err(format!("`{word}` stands alone: name devices, or say `{word}`"));
        }
        Ok(Self::Named(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_choice() {
        let named = |names: &[&str]| Choice::Named(names.iter().map(|&it| it.to_owned()).collect());

        assert_eq!("none".parse(), Ok(Choice::None));
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!("eth0, bond0.7".parse(), Ok(named(&["eth0", "bond0.7"])));
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", "eth0,", "a/b", "eth0 eth1", "a-name-that-is-too-long"] {
            let refused = text.parse::<Choice>().unwrap_err();
            assert!(refused.contains("is no name of a device"), "{text}: {refused}");
        }
        assert!("auto,eth0".parse::<Choice>().unwrap_err().contains("stands alone"));
    }
}
