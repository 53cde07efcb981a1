//! How what is added grows with a list or a policy.

use std::collections::BTreeSet;

use super::{
    contender::Contender,
    report::Traffic,
    scenario::{Scenario, Shape},
};
use crate::probe::Family;

/// What grows.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// Addresses of the list.
    Addresses,
    /// Rules of the policy, of the enforcer's.
    Rules,
}

/// What one contender adds to one kind of traffic.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) family: Family,
    pub(super) shape: Shape,
    pub(super) contender: Contender,
    /// Nanoseconds, by the medians, for each of the values.
    pub(super) added: Vec<Option<f64>>,
}

impl Row {
    /// From the first value to the last, in hundredths.
    pub(super) fn percent(&self) -> Option<f64> {
        let first = (*self.added.first()?).filter(|it| *it > 0.0)?;
        Some(((*self.added.last()?)? / first - 1.0) * 100.0)
    }
}

impl By {
    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Addresses => "addresses of the list",
            Self::Rules => "rules of the policy",
        }
    }

    const fn value(self, scenario: &Scenario) -> u32 {
        match self {
            Self::Addresses => scenario.force.addresses,
            Self::Rules => scenario.force.rules,
        }
    }

    /// What does not grow is the same: one sender, and one rule or the list with most rules.
    fn concerns(self, all: &[Traffic], scenario: &Scenario) -> bool {
        let Scenario { shape, force, senders } = *scenario;
        let is_same = match self {
            Self::Addresses => force.rules == 1,
            Self::Rules => all.iter().any(|it| {
                it.scenario.force.rules > 1 && it.scenario.force.addresses == force.addresses
            }),
        };
        senders == 1 && shape.is_one_way() && is_same
    }

    /// The values, and a row for each family, shape and contender that is there with all of them;
    /// `None` where there is one value only.
    pub(super) fn rows(self, all: &[Traffic]) -> Option<(Vec<u32>, Vec<Row>)> {
        let concerned: Vec<&Traffic> =
            all.iter().filter(|it| self.concerns(all, &it.scenario)).collect();
        let values: BTreeSet<u32> = concerned.iter().map(|it| self.value(&it.scenario)).collect();
        if values.len() < 2 {
            return None;
        }
        let mut rows = Vec::new();
        for family in [Family::V4, Family::V6] {
            for shape in [Shape::Connected, Shape::Few, Shape::Many] {
                for contender in Contender::ALL.into_iter().filter(|it| !it.is_nothing()) {
                    let added = values.iter().map(|value| {
                        let found = concerned.iter().find(|it| {
                            let Scenario { force, shape: of, .. } = it.scenario;
                            self.value(&it.scenario) == *value
                                && force.family == family
                                && of == shape
                        })?;
                        Some(found.of(contender)?.added?.median)
                    });
                    let added: Vec<_> = added.collect();
                    if added.iter().all(Option::is_some) {
                        rows.push(Row { family, shape, contender, added });
                    }
                }
            }
        }
        Some((values.into_iter().collect(), rows))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::{report::Samples, scenario::Force, sender::Spent};

    fn traffic(addresses: u32, rules: u32, added: u64) -> Traffic {
        let force = Force { family: Family::V4, addresses, rules };
        let scenario = Scenario { shape: Shape::Many, force, senders: 1 };
        let taken = |contender, nanoseconds| {
            let mut samples = Samples::default();
            samples.add(&[Spent { units: 1, time: Duration::from_nanos(nanoseconds) }]);
            (contender, Ok(samples))
        };
        Traffic::new(
            scenario,
            vec![
                taken(Contender::None, 1_000),
                taken(Contender::Enforcer, 1_000 + added),
                taken(Contender::NoneAgain, 1_000),
            ],
        )
    }

    #[test]
    fn growth_is_from_the_least_to_the_most_of_what_is_added() {
        let all = [traffic(1_000, 1, 110), traffic(10, 1, 100), traffic(1_000, 512, 121)];

        let (sizes, by_addresses) = By::Addresses.rows(&all).unwrap();
        let (rules, by_rules) = By::Rules.rows(&all).unwrap();

        assert_eq!((sizes, rules), (vec![10, 1_000], vec![1, 512]));
        for rows in [by_addresses, by_rules] {
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert!((rows[0].percent().unwrap() - 10.0).abs() < 0.1, "{rows:?}");
        }
    }

    #[test]
    fn one_size_does_not_grow() {
        assert!(By::Addresses.rows(&[traffic(10, 1, 100)]).is_none());
        assert!(By::Rules.rows(&[traffic(10, 1, 100), traffic(1_000, 1, 100)]).is_none());
    }
}
