//! What is measured: kinds of traffic, and the allowlist in force meanwhile.
//!
//! Not every product is: what a list's size and its family change is seen with datagrams, of which
//! each is judged by itself; connections, streams and questions are measured with one list, and so
//! are two senders and a policy of many rules.

use clap::ValueEnum;
use serde::{Serialize, Serializer};

use super::flood::BATCH;
use crate::probe::Family;

/// Addresses of the list that everything else is measured with, where it is among those asked for.
const USUAL: u32 = 1_000;
/// Rules of a policy that has as many as it may.
const MANY_RULES: u32 = 512;
/// Who sends at the same time, where more than one does.
const SENDERS: u32 = 2;

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Datagrams to one destination, to which the socket is connected; it has answered once.
    Connected,
    /// Datagrams to ten destinations in turn, however many the list has; none answers.
    Few,
    /// Datagrams to up to 4,096 destinations of the list, each to another destination than the one before; none answers.
    Many,
    /// Datagrams of which each is the first from its port to its destination; none answers.
    FirstPackets,
    /// TCP connections that are made and closed at once, their sockets made for it.
    Connections,
    /// One TCP connection that carries as much as it can.
    Bulk,
    /// DNS questions for names that a rule allows and that are known, and their answers.
    Lookups,
    /// The same for names of which each is asked for the first time.
    NewNames,
}

impl Shape {
    /// What a figure is for.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Connected | Self::Few | Self::Many | Self::FirstPackets => "a packet",
            Self::Connections => "a connection",
            Self::Bulk => "a megabyte",
            Self::Lookups | Self::NewNames => "a question",
        }
    }

    /// Whether nothing ever comes back.
    pub(super) const fn is_one_way(self) -> bool {
        matches!(self, Self::Connected | Self::Few | Self::Many | Self::FirstPackets)
    }

    /// Whether resolvers are asked.
    pub(super) const fn asks(self) -> bool {
        matches!(self, Self::Lookups | Self::NewNames)
    }

    /// Units of a sample that takes about as long as so many datagrams.
    pub(super) fn units(self, datagrams: u32) -> u32 {
        let each = match self {
            Self::Connected | Self::Few | Self::Many | Self::FirstPackets => 1,
            Self::Lookups | Self::NewNames => 8,
            Self::Connections => 32,
            Self::Bulk => 256,
        };
        datagrams.div_ceil(each)
    }
}

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Force {
    /// The family of its addresses.
    #[serde(serialize_with = "in_words")]
    pub family: Family,
    /// Addresses of the allowlist.
    pub addresses: u32,
    /// Rules of the enforcer's policy, of which the last is the list.
    pub rules: u32,
}

/// One kind of traffic with one list in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// What is sent.
    pub shape: Shape,
    /// What is in force.
    #[serde(flatten)]
    pub force: Force,
    /// Who sends at the same time, each on a processor of its own and by a socket of its own.
    pub senders: u32,
}

/// All for lists of these sizes; what has the same in force stands together.
pub(super) fn all(sizes: &[u32]) -> Vec<Scenario> {
    let usual = sizes.iter().find(|it| **it == USUAL).or(sizes.first());
    let mut all = Vec::new();
    for addresses in sizes {
        for family in [Family::V4, Family::V6] {
            let force = Force { family, addresses: *addresses, rules: 1 };
            let mut add = |shape, senders| all.push(Scenario { shape, force, senders });
            add(Shape::Connected, 1);
            add(Shape::Few, 1);
            add(Shape::Many, 1);
            if Some(addresses) != usual {
                continue;
            }
            if family == Family::V4 {
                add(Shape::Connected, SENDERS);
                add(Shape::Many, SENDERS);
            }
            if *addresses as usize >= BATCH {
                add(Shape::FirstPackets, 1);
            }
            add(Shape::Connections, 1);
            add(Shape::Bulk, 1);
            add(Shape::Lookups, 1);
            add(Shape::NewNames, 1);
        }
    }
    if let Some(addresses) = usual {
        let force = Force { family: Family::V4, addresses: *addresses, rules: MANY_RULES };
        for shape in [Shape::Connected, Shape::Few, Shape::Many] {
            all.push(Scenario { shape, force, senders: 1 });
        }
    }
    all
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
fn in_words<S: Serializer>(family: &Family, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shape_is_measured_once_with_the_usual_list_and_datagrams_with_each() {
        let all = all(&[10, 1_000, 100_000]);

        let named: BTreeSet<String> = all.iter().map(|it| format!("{it:?}")).collect();
        assert_eq!(named.len(), all.len(), "{all:?}");
        for shape in Shape::value_variants() {
            assert!(all.iter().any(|it| it.shape == *shape && it.force.addresses == 1_000));
        }
        let of_datagrams = |size| all.iter().filter(|it| it.force.addresses == size).count();
        assert_eq!([of_datagrams(10), of_datagrams(100_000)], [6, 6]);
    }

    #[test]
    fn what_has_the_same_in_force_stands_together() {
        let all = all(&[10, 1_000]);

        let groups = all.chunk_by(|one, next| one.force == next.force).count();
        let forces: BTreeSet<String> = all.iter().map(|it| format!("{:?}", it.force)).collect();
        assert_eq!(groups, forces.len(), "{all:?}");
    }

    #[test]
    fn a_sample_is_never_empty() {
        for shape in Shape::value_variants() {
            assert!(shape.units(64) >= 1, "{shape:?}");
        }
    }
}
