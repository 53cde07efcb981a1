//! What was measured.

use serde::Serialize;

use super::{
    contender::Contender,
    control::Control,
    idle::Idle,
    quartiles::Quartiles,
    scenario::{Scenario, Shape},
    sender::Spent,
};

/// Packets that have nothing to do with what is measured.
const STRAY: u64 = 8;

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
    /// An agent with nothing to do.
    pub idle: Option<Idle>,
    /// Loads and reloads.
    pub control: Vec<Control>,
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
    /// How the agent and this program were compiled: `release` or `debug`. The kernel programs are
    /// always optimised.
    pub profile: &'static str,
}

/// One kind of traffic past all contenders.
#[derive(Debug, Clone, Serialize)]
pub struct Traffic {
    /// What is sent, and what is in force.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// What a figure is for.
    pub unit: &'static str,
    /// By how many nanoseconds a unit the two measurements without anything differ.
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
    /// Units that were sent.
    pub sent: u64,
    /// Packets that came over the wire meanwhile; segments that the kernel sends as one are one.
    pub arrived: u64,
    /// Packets that went back.
    pub returned: u64,
    /// Of questions: answers that have taught the enforcer an address meanwhile.
    pub learned: Option<u64>,
    /// Nanoseconds a unit; of several senders what each takes.
    pub cost: Option<Quartiles>,
    /// Nanoseconds over what a unit of the same round costs without anything.
    pub added: Option<Quartiles>,
    /// How many times what the empty program adds, by the medians; none where that is less than the
    /// noise.
    pub ratio: Option<f64>,
    /// What is added, in hundredths of the cost without anything, by the medians.
    pub percent: Option<f64>,
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
    pub(super) returned: u64,
    pub(super) learned: Option<u64>,
    /// Nanoseconds a unit, in the order of rounds.
    costs: Vec<f64>,
}

impl Samples {
    /// Adds what senders have spent at the same time.
    pub(super) fn add(&mut self, spent: &[Spent]) {
        let units: u64 = spent.iter().map(|it| u64::from(it.units)).sum();
        let seconds: f64 = spent.iter().map(|it| it.time.as_secs_f64()).sum();
        let each = spent.iter().map(|it| f64::from(it.units)).sum::<f64>().max(1.0);
        self.sent += units;
        self.costs.push(seconds * 1e9 / each);
    }
}

type Taken = (Contender, Result<Samples, String>);

impl Traffic {
    pub(super) fn new(scenario: Scenario, taken: Vec<Taken>) -> Self {
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
        let unsure = noise.map_or(0.0, |it| it.median.abs());
        let of_empty = empty.map(|it| it.median).filter(|it| *it > unsure);
        let of_nothing = Quartiles::of(nothing.clone()).map(|it| it.median);
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
                returned: samples.returned,
                learned: samples.learned,
                ratio: added.zip(of_empty).map(|(added, empty)| added.median / empty),
                percent: added.zip(of_nothing).map(|(added, none)| added.median * 100.0 / none),
                added,
                cost: Quartiles::of(samples.costs),
            }
        });
        let unit = scenario.shape.unit();
        Self { scenario, unit, noise, columns: columns.collect() }
    }

    /// What a contender was measured at.
    pub fn of(&self, contender: Contender) -> Option<&Figures> {
        self.columns.iter().find(|it| it.contender == contender)
    }
}

impl Outcome {
    /// What makes figures worthless: what was sent and did not cross the wire, a question for a known
    /// name that took more packets than itself and its answer, an answer that taught nothing.
    pub fn faults(&self) -> Vec<String> {
        let all = self.traffic.iter().flat_map(|it| it.columns.iter().map(move |of| (it, of)));
        all.filter_map(|(traffic, of)| {
            let fault = fault(traffic.scenario.shape, of)?;
            Some(format!("{:?}, {}: {fault}", traffic.scenario.shape, of.contender))
        })
        .collect()
    }
}

/// What is wrong with the figures of a kind of traffic.
fn fault(shape: Shape, of: &Figures) -> Option<String> {
    if of.arrived < of.sent && shape != Shape::Bulk {
        return Some(format!("{} sent, {} packets arrived", of.sent, of.arrived));
    }
    if let Some(learned) = of.learned.filter(|it| shape.asks() && *it < of.sent) {
        return Some(format!("{} asked, {learned} answers learned from", of.sent));
    }
    if shape != Shape::Lookups {
        return None;
    }
    // The kernel itself may say something in the meantime, such as which groups it is in.
    let most = of.sent + of.sent / 1_000 + STRAY;
    let is_added = of.arrived > most || of.returned > most;
    is_added.then(|| format!("{} asked, {} packets out, {} back", of.sent, of.arrived, of.returned))
}

/// What a function makes of both at once, round by round.
fn pairs(one: &[f64], other: &[f64], make: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| make(*one, *other)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{bench::scenario::Force, probe::Family};

    const SCENARIO: Scenario = Scenario {
        shape: Shape::Lookups,
        force: Force { family: Family::V4, addresses: 10, rules: 1 },
        senders: 1,
    };

    fn taken(contender: Contender, nanoseconds: [u64; 3]) -> Taken {
        let mut samples = Samples::default();
        for cost in nanoseconds {
            samples.add(&[Spent { units: 10, time: Duration::from_nanos(cost * 10) }]);
        }
        (contender, Ok(samples))
    }

    #[test]
    fn what_is_added_is_told_of_the_same_round() {
        let traffic = Traffic::new(
            SCENARIO,
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
        assert!((enforcer.percent.unwrap() - 5.0).abs() < 0.01, "{enforcer:?}");
        assert!(traffic.noise.unwrap().median.abs() < 0.01);
        let missing = traffic.of(Contender::NftSet).unwrap();
        assert_eq!(missing.missing.as_deref(), Some("no nft"));
        assert!(missing.cost.is_none() && missing.added.is_none());
    }

    #[test]
    fn two_senders_are_told_by_what_each_takes() {
        let spent = Spent { units: 10, time: Duration::from_nanos(1_000) };
        let mut samples = Samples::default();

        samples.add(&[spent, spent]);

        assert_eq!((samples.sent, samples.costs), (20, vec![100.0]));
    }

    #[test]
    fn what_is_lost_and_what_is_added_is_a_fault() {
        let of = |sent, arrived, returned, learned| {
            let samples = Samples { sent, arrived, returned, learned, costs: vec![1.0] };
            let traffic = Traffic::new(SCENARIO, vec![(Contender::Enforcer, Ok(samples))]);
            fault(SCENARIO.shape, traffic.of(Contender::Enforcer).unwrap()).is_some()
        };

        assert!(!of(1_000, 1_000, 1_000, Some(1_000)));
        assert!(of(1_000, 999, 1_000, Some(1_000)), "lost");
        assert!(of(1_000, 2_000, 1_000, Some(1_000)), "a packet added");
        assert!(of(1_000, 1_000, 1_000, Some(999)), "taught nothing");
    }
}
