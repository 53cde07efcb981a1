//! Protocols and ports as classes: each port of a protocol has a number, each number a set of
//! rules.

use std::collections::HashMap;

use enforcer_common::{
    abi::{MAX_PORT_CLASSES, PORT_PLANES, PORTS},
    packet::protocol,
    rule_mask::RuleMask,
};

use super::CompileError;
use crate::policy::{PortRange, PortSpec};

const PLANES: usize = PORT_PLANES as usize;
const TCP: usize = 0;
const UDP: usize = 1;
const SCTP: usize = 2;
/// Protocols by number; the column is the protocol.
const NUMBERS: usize = 3;

/// Ports and protocols, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortTable {
    /// For TCP, UDP, SCTP: the class of each port; last, the class of each protocol number.
    pub planes: [Box<[u16]>; PLANES],
    /// The rules of each class; class 0 is the empty set.
    pub classes: Vec<RuleMask>,
}

impl PortTable {
    /// The rules for a protocol and port.
    pub fn rules(&self, protocol: u8, port: u16) -> Option<&RuleMask> {
        let (plane, column) = match protocol {
            protocol::TCP => (TCP, port),
            protocol::UDP => (UDP, port),
            protocol::SCTP => (SCTP, port),
            other => (NUMBERS, u16::from(other)),
        };
        let class = *self.planes.get(plane)?.get(usize::from(column))?;
        self.classes.get(usize::from(class))
    }

    pub(super) fn build(
        specs: impl Iterator<Item = (u16, PortSpec)>,
    ) -> Result<Self, CompileError> {
        let mut edges: [Vec<(u32, u16, bool)>; PLANES] = Default::default();
        for (slot, spec) in specs {
            for (plane, range) in spans(spec) {
                if let Some(edges) = edges.get_mut(plane) {
                    edges.push((u32::from(*range.range().start()), slot, true));
                    edges.push((u32::from(*range.range().end()) + 1, slot, false));
                }
            }
        }
        let mut classes = Classes::default();
        let planes = edges.map(|edges| classes.sweep(edges));
        let count = classes.masks.len();
        if count > MAX_PORT_CLASSES as usize {
            return Err(CompileError::TooManyPortClasses { count, limit: MAX_PORT_CLASSES });
        }
        Ok(Self { planes, classes: classes.masks })
    }
}

/// The planes and columns that a port specification covers.
fn spans(spec: PortSpec) -> Vec<(usize, PortRange)> {
    let number = |number: u8| (NUMBERS, PortRange::only(u16::from(number)));
    match spec {
        PortSpec::Tcp(range) => vec![(TCP, range)],
        PortSpec::Udp(range) => vec![(UDP, range)],
        PortSpec::Sctp(range) => vec![(SCTP, range)],
        PortSpec::Icmp => vec![number(protocol::ICMP), number(protocol::ICMPV6)],
        PortSpec::Number(protocol) => vec![number(protocol)],
        PortSpec::Every => (0..PLANES).map(|plane| (plane, PortRange::ANY)).collect(),
    }
}

struct Classes {
    masks: Vec<RuleMask>,
    numbers: HashMap<RuleMask, u16>,
}

impl Default for Classes {
    fn default() -> Self {
        Self { masks: vec![RuleMask::EMPTY], numbers: HashMap::from([(RuleMask::EMPTY, 0)]) }
    }
}

impl Classes {
    fn number(&mut self, mask: RuleMask) -> u16 {
        *self.numbers.entry(mask).or_insert_with(|| {
            self.masks.push(mask);
            // More than 65,536 classes are more than the limit, which the caller checks.
            u16::try_from(self.masks.len() - 1).unwrap_or(u16::MAX)
        })
    }

    /// Goes along the ports once, in step with the edges of all ranges.
    fn sweep(&mut self, mut edges: Vec<(u32, u16, bool)>) -> Box<[u16]> {
        edges.sort_unstable();
        let mut plane = vec![0_u16; PORTS];
        let mut open: HashMap<u16, u32> = HashMap::new();
        let mut mask = RuleMask::EMPTY;
        let mut position = 0;
        for group in edges.chunk_by(|a, b| a.0 == b.0) {
            let at = group.first().map_or(0, |edge| edge.0 as usize);
            let class = self.number(mask);
            plane.get_mut(position..at).unwrap_or_default().fill(class);
            for (_, slot, begins) in group {
                let count = open.entry(*slot).or_default();
                *count = if *begins { *count + 1 } else { count.saturating_sub(1) };
                if *count == 0 {
                    mask.subtract(&RuleMask::of(*slot));
                } else {
                    mask.insert(*slot);
                }
            }
            position = at;
        }
        plane.into_boxed_slice()
    }
}
