//! Whether the ports and workloads of one rule hold those of another.

use crate::{
    policy::{PortRange, PortSpec},
    workload::WorkloadSelector,
};

const TCP: usize = 0;
const UDP: usize = 1;
const SCTP: usize = 2;
const NUMBERS: usize = 3;
const PLANES: usize = 4;
const EVERY_NUMBER: (u16, u16) = (0, u8::MAX as u16);
/// ICMP and `ICMPv6` (IANA protocol numbers).
const ICMP: [u8; 2] = [1, 58];

/// A set of protocols and ports: for TCP, UDP, SCTP and protocol numbers, ranges that are sorted
/// and do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ports([Vec<(u16, u16)>; PLANES]);

impl Ports {
    pub(super) fn of(specs: &[PortSpec]) -> Self {
        let mut planes: [Vec<(u16, u16)>; PLANES] = Default::default();
        let mut add = |plane: usize, range: (u16, u16)| {
            if let Some(ranges) = planes.get_mut(plane) {
                ranges.push(range);
            }
        };
        let ends = |range: &PortRange| (*range.range().start(), *range.range().end());
        for spec in specs {
            match spec {
                PortSpec::Every => {
                    for plane in [TCP, UDP, SCTP] {
                        add(plane, ends(&PortRange::ANY));
                    }
                    add(NUMBERS, EVERY_NUMBER);
                }
                PortSpec::Tcp(range) => add(TCP, ends(range)),
                PortSpec::Udp(range) => add(UDP, ends(range)),
                PortSpec::Sctp(range) => add(SCTP, ends(range)),
                PortSpec::Icmp => {
                    for number in ICMP {
                        add(NUMBERS, (u16::from(number), u16::from(number)));
                    }
                }
                PortSpec::Number(number) => add(NUMBERS, (u16::from(*number), u16::from(*number))),
            }
        }
        Self(planes.map(merged))
    }

    /// Whether `self` has all of `other`.
    pub(super) fn cover(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(outer, inner)| {
            inner.iter().all(|(first, last)| {
                let next = outer.partition_point(|(start, _)| start <= first);
                next.checked_sub(1)
                    .and_then(|index| outer.get(index))
                    .is_some_and(|(_, end)| end >= last)
            })
        })
    }

    /// What both have.
    pub(super) fn common(&self, other: &Self) -> Self {
        let mut planes: [Vec<(u16, u16)>; PLANES] = Default::default();
        for ((plane, ours), theirs) in planes.iter_mut().zip(&self.0).zip(&other.0) {
            let (mut a, mut b) = (ours.iter().peekable(), theirs.iter().peekable());
            while let (Some(one), Some(two)) = (a.peek(), b.peek()) {
                let (first, last) = (one.0.max(two.0), one.1.min(two.1));
                if first <= last {
                    plane.push((first, last));
                }
                if one.1 <= two.1 {
                    a.next()
                } else {
                    b.next()
                };
            }
        }
        Self(planes)
    }

    /// What either has.
    pub(super) fn unite(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            ours.extend(theirs);
            *ours = merged(std::mem::take(ours));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// The ports as a policy writes them, separated by commas.
    pub(super) fn text(&self) -> String {
        if *self == Self::of(&[PortSpec::Every]) {
            return "every port".to_owned();
        }
        let [tcp, udp, sctp, numbers] = &self.0;
        let ranges = |ranges: &[(u16, u16)], spec: fn(PortRange) -> PortSpec| -> Vec<String> {
            let ranges = ranges.iter().filter_map(|(first, last)| PortRange::new(*first, *last));
            ranges.map(|range| spec(range).to_string()).collect()
        };
        let mut texts = ranges(tcp, PortSpec::Tcp);
        texts.extend(ranges(udp, PortSpec::Udp));
        texts.extend(ranges(sctp, PortSpec::Sctp));
        texts.extend(numbers.iter().map(|(first, last)| {
            if first != last {
                "every other protocol".to_owned()
            } else if ICMP.iter().any(|icmp| u16::from(*icmp) == *first) {
                PortSpec::Icmp.to_string()
            } else {
                format!("ip/{first}")
            }
        }));
        texts.dedup();
        texts.join(", ")
    }
}

/// Ranges sorted, and those that touch made one.
fn merged(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut kept: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match kept.last_mut() {
            Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
            _ => kept.push((first, last)),
        }
    }
    kept
}

/// Whether every workload of `inner` is one of `outer`; no selector is every workload.
pub(super) fn workloads_cover(outer: &[WorkloadSelector], inner: &[WorkloadSelector]) -> bool {
    outer.is_empty()
        || (!inner.is_empty() && inner.iter().all(|one| outer.iter().any(|all| all.holds(one))))
}

#[cfg(test)]
mod tests {
    use super::{Ports, WorkloadSelector, workloads_cover};
    use crate::policy::{PortRange, PortSpec};

    fn tcp(first: u16, last: u16) -> PortSpec {
        PortSpec::Tcp(PortRange::new(first, last).unwrap())
    }

    #[test]
    fn covers_ports_inside_its_own() {
        const ANY: PortSpec = PortSpec::Tcp(PortRange::ANY);
        let cases: &[(&str, &[PortSpec], &[PortSpec], bool)] = &[
            ("same", &[tcp(443, 443)], &[tcp(443, 443)], true),
            ("inside", &[tcp(1, 1000)], &[tcp(443, 443)], true),
            ("around", &[tcp(443, 443)], &[tcp(1, 1000)], false),
            ("touching halves", &[tcp(1, 5), tcp(6, 9)], &[tcp(2, 8)], true),
            ("a gap", &[tcp(1, 5), tcp(7, 9)], &[tcp(2, 8)], false),
            ("other protocol", &[ANY], &[PortSpec::Udp(PortRange::only(53))], false),
            ("everything", &[PortSpec::Every], &[ANY, PortSpec::Icmp], true),
            ("nearly everything", &[ANY, PortSpec::Icmp], &[PortSpec::Every], false),
        ];
        for (label, outer, inner, expected) in cases {
            assert_eq!(Ports::of(outer).cover(&Ports::of(inner)), *expected, "{label}");
        }
    }

    #[test]
    fn finds_and_names_what_is_common() {
        let one = Ports::of(&[tcp(1, 100), tcp(443, 443), PortSpec::Icmp]);
        let two = Ports::of(&[tcp(80, 443), PortSpec::Every]);

        assert_eq!(one.common(&two), one);
        assert_eq!(one.common(&two).text(), "tcp/1-100, tcp/443, icmp");
        assert_eq!(two.text(), "every port");
        assert!(one.common(&Ports::of(&[PortSpec::Number(47)])).is_empty());
    }

    #[test]
    fn covers_cgroups_below_its_own() {
        let from = |paths: &[&str]| -> Vec<WorkloadSelector> {
            paths.iter().map(|path| WorkloadSelector::Cgroup((*path).to_owned())).collect()
        };
        for (label, outer, inner, expected) in [
            ("everyone", &[][..], &["/a"][..], true),
            ("only some", &["/a"], &[], false),
            ("same", &["/a"], &["/a"], true),
            ("below", &["/a"], &["/a/b"], true),
            ("above", &["/a/b"], &["/a"], false),
            ("neighbour", &["/a"], &["/ab"], false),
            ("one of two", &["/a"], &["/a/b", "/c"], false),
        ] {
            assert_eq!(workloads_cover(&from(outer), &from(inner)), expected, "{label}");
        }
    }
}
