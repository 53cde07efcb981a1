//! What was measured.

use serde::Serialize;

use super::{Shape, contender::Contender, flood::Spent, quartiles::Quartiles};
use crate::probe::Family;

/// All that a run has measured.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What it ran on.
    pub machine: Machine,
    /// Samples of each contender.
    pub rounds: u32,
    /// Datagrams of a sample.
    pub packets: u32,
    /// Datagrams that one system call sends.
    pub batch: usize,
    /// How often the kernel ran a program for one figure.
    pub repeat: u32,
    /// Real traffic.
    pub traffic: Vec<Traffic>,
    /// Programs alone.
    pub programs: Vec<Path>,
}

/// A machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// What the processor calls itself.
    pub processor: String,
    /// How many of it there are.
    pub processors: usize,
    /// How many processes wanted one in the last minute (`/proc/loadavg`), this one included.
    pub load: String,
}

/// One kind of traffic past all contenders.
#[derive(Debug, Clone, Serialize)]
pub struct Traffic {
    /// How destinations are named.
    pub shape: Shape,
    /// The family.
    #[serde(serialize_with = "family_in_words")]
    pub family: Family,
    /// Addresses of the allowlist.
    pub addresses: u32,
    /// By how many nanoseconds a packet the two measurements without anything differ.
    pub noise: Option<Quartiles>,
    /// A column for each contender.
    pub columns: Vec<Figures>,
}

/// What a contender costs.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Who.
    pub contender: Contender,
    /// Why there are no figures, where there are none.
    pub missing: Option<String>,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Packets that came over the wire meanwhile.
    pub arrived: u64,
    /// Nanoseconds of a processor a packet.
    pub cost: Option<Quartiles>,
    /// Nanoseconds over what a packet of the same round costs without anything.
    pub added: Option<Quartiles>,
    /// How many times what the empty program adds, by the medians.
    pub ratio: Option<f64>,
}

/// A program that the kernel ran over one packet.
#[derive(Debug, Clone, Serialize)]
pub struct Path {
    /// The program.
    pub program: String,
    /// What the packet is to it.
    pub packet: String,
    /// Rules of the policy.
    pub rules: u32,
    /// Why there is no figure, where there is none.
    pub missing: Option<String>,
    /// Nanoseconds a run.
    pub cost: Option<Quartiles>,
    /// How many times what the empty program takes, by the medians.
    pub ratio: Option<f64>,
}

/// What one contender has been measured at.
#[derive(Debug, Default)]
pub(super) struct Samples {
    sent: u64,
    pub(super) arrived: u64,
    /// Nanoseconds a packet, in the order of rounds.
    costs: Vec<f64>,
}

impl Samples {
    pub(super) fn add(&mut self, spent: Spent) {
        self.sent += u64::from(spent.sent);
        self.costs.push(spent.time.as_secs_f64() * 1e9 / f64::from(spent.sent.max(1)));
    }
}

type Taken = (Contender, Result<Samples, String>);

impl Traffic {
    pub(super) fn new(shape: Shape, family: Family, addresses: u32, taken: Vec<Taken>) -> Self {
        let costs_of = |wanted: Contender| {
            let mut found = taken.iter().filter(|(contender, _)| *contender == wanted);
            found.find_map(|(_, samples)| Some(samples.as_ref().ok()?.costs.clone()))
        };
        let first = costs_of(Contender::None).unwrap_or_default();
        let again = costs_of(Contender::NoneAgain).unwrap_or_default();
        let noise = Quartiles::of(pairs(&again, &first, |again, first| again - first));
        let nothing = pairs(&first, &again, f64::midpoint);
        let added = |costs: &[f64]| Quartiles::of(pairs(costs, &nothing, |cost, none| cost - none));
        let empty = costs_of(Contender::Empty).and_then(|costs| added(&costs));
        let unit = empty.map(|it| it.median).filter(|it| *it > 0.0);
        let columns = taken.into_iter().map(|(contender, samples)| {
            let (samples, missing) = match samples {
                Ok(samples) => (samples, None),
                Err(reason) => (Samples::default(), Some(reason)),
            };
            let added = added(&samples.costs).filter(|_| !contender.is_nothing());
            Figures {
                contender,
                missing,
                sent: samples.sent,
                arrived: samples.arrived,
                ratio: added.zip(unit).map(|(added, unit)| added.median / unit),
                added,
                cost: Quartiles::of(samples.costs),
            }
        });
        Self { shape, family, addresses, noise, columns: columns.collect() }
    }

    /// What a contender was measured at.
    pub fn of(&self, contender: Contender) -> Option<&Figures> {
        self.columns.iter().find(|it| it.contender == contender)
    }
}

impl Outcome {
    /// What makes figures worthless: datagrams that were sent and did not cross the wire.
    pub fn faults(&self) -> Vec<String> {
        let all = self.traffic.iter().flat_map(|traffic| &traffic.columns);
        let lost = all.filter(|it| it.arrived < it.sent);
        let told = lost.map(|it| {
            format!("{}: {} datagrams sent, {} arrived", it.contender, it.sent, it.arrived)
        });
        told.collect()
    }
}

/// What a function makes of both at once, round by round.
fn pairs(one: &[f64], other: &[f64], make: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| make(*one, *other)).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
fn family_in_words<S: serde::Serializer>(family: &Family, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(contender: Contender, nanoseconds: [u64; 3]) -> Taken {
        let mut samples = Samples::default();
        for cost in nanoseconds {
            samples.add(Spent { sent: 10, time: Duration::from_nanos(cost * 10) });
        }
        (contender, Ok(samples))
    }

    #[test]
    fn what_is_added_is_told_of_the_same_round() {
        let traffic = Traffic::new(
            Shape::Connected,
            Family::V4,
            10,
            vec![
                taken(Contender::None, [1_000, 2_000, 9_000]),
                taken(Contender::Empty, [1_050, 2_050, 9_050]),
                (Contender::NftSet, Err("no nft".to_owned())),
                taken(Contender::Enforcer, [1_100, 2_100, 9_100]),
                taken(Contender::NoneAgain, [1_000, 2_000, 9_000]),
            ],
        );

        let enforcer = traffic.of(Contender::Enforcer).unwrap();
        assert!((enforcer.added.unwrap().median - 100.0).abs() < 0.01, "{enforcer:?}");
        assert!((enforcer.ratio.unwrap() - 2.0).abs() < 0.01, "{enforcer:?}");
        assert!(traffic.noise.unwrap().median.abs() < 0.01);
        let missing = traffic.of(Contender::NftSet).unwrap();
        assert_eq!(missing.missing.as_deref(), Some("no nft"));
        assert!(missing.cost.is_none() && missing.added.is_none());
    }
}
