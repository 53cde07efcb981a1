//! What one preset has and another has not, row by row as published, blanks included.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Preset, Row, document::CLOUD};

/// What changes from one preset to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference<'p> {
    /// Rows whose destination only the second has.
    pub added: Vec<&'p Row>,
    /// Rows whose destination only the first has.
    pub removed: Vec<&'p Row>,
    /// Destinations that both have, with other ports or under other conditions.
    pub changed: Vec<Changed<'p>>,
    /// Parameters, by name.
    pub parameters: Words<'p>,
    /// Conditions, by name.
    pub conditions: Words<'p>,
}

/// A destination of both presets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed<'p> {
    /// As the files have it.
    pub destination: &'p str,
    /// The cloud that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<&'p str>,
    /// What each says of it.
    pub from: Terms<'p>,
    /// As above.
    pub to: Terms<'p>,
}

/// Ports, with the condition that each is under; `None`: none.
pub type Terms<'p> = BTreeSet<(&'p str, Option<&'p str>)>;

/// Words that one has and the other has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words<'p> {
    /// Those of the second.
    pub added: Vec<&'p str>,
    /// Those of the first.
    pub removed: Vec<&'p str>,
}

impl Difference<'_> {
    /// Whether both have the same.
    pub fn is_empty(&self) -> bool {
        let has_words = |words: &Words<'_>| !words.added.is_empty() || !words.removed.is_empty();
        self.destinations() == 0 && !has_words(&self.parameters) && !has_words(&self.conditions)
    }

    /// How many destinations differ.
    pub fn destinations(&self) -> usize {
        let of = |rows: &[&Row]| {
            rows.iter().map(|row| (row.text(), &row.cloud)).collect::<BTreeSet<_>>().len()
        };
        of(&self.added) + of(&self.removed) + self.changed.len()
    }
}

/// What changes from one preset to another.
pub fn difference<'p>(from: &'p Preset, to: &'p Preset) -> Difference<'p> {
    // An edition that knows one cloud speaks of that which the other takes unless told otherwise.
    let usual = [to, from].into_iter().find_map(|preset| {
        let cloud = preset.parameters.iter().find(|parameter| parameter.name == CLOUD)?;
        cloud.default.as_deref()
    });
    let (before, after) = (by_destination(from, usual), by_destination(to, usual));
    let only = |preset: &'p Preset, other: &BTreeMap<Key<'p>, Terms<'p>>| -> Vec<&'p Row> {
        preset.rows.iter().filter(|row| !other.contains_key(&key(row, usual))).collect()
    };
    let changed = before.iter().filter_map(|(key, from)| {
        let to = after.get(key).filter(|to| *to != from)?;
        let (destination, cloud) = *key;
        Some(Changed { destination, cloud, from: from.clone(), to: to.clone() })
    });
    let names = |preset: &'p Preset| -> [Vec<&'p str>; 2] {
        [
            preset.parameters.iter().map(|one| one.name.as_str()).collect(),
            preset.conditions.iter().map(|one| one.name.as_str()).collect(),
        ]
    };
    let [parameters, conditions] = names(from);
    let [new_parameters, new_conditions] = names(to);
    Difference {
        added: only(to, &before),
        removed: only(from, &after),
        changed: changed.collect(),
        parameters: words(&parameters, &new_parameters),
        conditions: words(&conditions, &new_conditions),
    }
}

/// A destination and the cloud that it is for.
type Key<'p> = (&'p str, Option<&'p str>);

fn key<'p>(row: &'p Row, usual: Option<&'p str>) -> Key<'p> {
    (row.text(), row.cloud.as_deref().or(usual))
}

fn by_destination<'p>(preset: &'p Preset, usual: Option<&'p str>) -> BTreeMap<Key<'p>, Terms<'p>> {
    let mut all = BTreeMap::<Key<'_>, Terms<'_>>::new();
    for row in &preset.rows {
        let terms = row.ports.iter().map(|port| (port.as_str(), row.when.as_deref()));
        all.entry(key(row, usual)).or_default().extend(terms);
    }
    all
}

fn words<'p>(from: &[&'p str], to: &[&'p str]) -> Words<'p> {
    let without = |one: &[&'p str], other: &[&'p str]| -> Vec<&'p str> {
        one.iter().copied().filter(|word| !other.contains(word)).collect()
    };
    Words { added: without(to, from), removed: without(from, to) }
}

#[cfg(test)]
mod tests {
    use super::{super::find, *};

    fn between<'p>(from: &str, to: &str) -> (Difference<'p>, usize) {
        let (from, to) = (find(from).unwrap(), find(to).unwrap());
        (difference(from, to), difference(to, from).destinations())
    }

    #[test]
    fn a_preset_and_itself_have_the_same() {
        assert!(between("aks", "aks@2026-06").0.is_empty());
    }

    #[test]
    fn what_was_published_later_is_told_row_by_row() {
        let (found, back) = between("aks@2019-06", "aks");

        let has = |rows: &[&Row], text: &str| rows.iter().any(|row| row.text() == text);
        assert!(has(&found.added, "packages.aks.azure.com"));
        assert!(has(&found.removed, "aksrepos.azurecr.io"));
        // The older edition knows one cloud, the newer names it.
        assert!(
            !has(&found.added, "mcr.microsoft.com") || !has(&found.removed, "mcr.microsoft.com")
        );
        let api = found.changed.iter().find(|one| one.destination == "*.hcp.{location}.azmk8s.io");
        let ports = |terms: &Terms<'_>| -> String {
            terms.iter().map(|(port, _)| *port).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ports(&api.unwrap().from), "tcp/22 tcp/443 tcp/9000");
        assert_eq!(ports(&api.unwrap().to), "tcp/443");
        assert!(found.parameters.added.contains(&"cloud"));
        assert!(found.conditions.added.contains(&"gpu"));
        assert_eq!(found.destinations(), back, "whichever way it is looked at");
    }
}
