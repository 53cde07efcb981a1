//! Which presets have a name: for whoever wonders why it is denied.

use super::{Destination, Preset, Row, document::Effect, list};
use crate::fqdn::DomainName;

/// A row that a name falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The preset, with its date.
    pub preset: String,
    /// The row's destination, blanks included.
    pub destination: String,
    /// The condition that it is under, where that has to be included.
    pub condition: Option<&'static str>,
}

/// The newest presets that allow a name, one row of each; blanks in it stand for anything inside a
/// label.
pub fn offers(name: &DomainName) -> Vec<Offer> {
    let mut newest: Vec<&'static Preset> = Vec::new();
    for preset in list() {
        // The newest of a name comes first.
        if newest.iter().all(|known| known.name != preset.name) {
            newest.push(preset);
        }
    }
    let allowing = newest.into_iter().filter(|preset| preset.action == Effect::Allow);
    allowing.filter_map(|preset| offer(preset, name)).collect()
}

fn offer(preset: &'static Preset, name: &DomainName) -> Option<Offer> {
    let condition = |row: &Row| -> Option<&'static str> {
        let known = preset.condition(row.when.as_deref()?)?;
        (!known.default).then_some(known.name.as_str())
    };
    let rows = preset.rows.iter().filter(|row| match row.destination() {
        Destination::Fqdn(text) => covers(text, name),
        Destination::Cidr(_) => false,
    });
    // What needs nothing to be included is the better answer.
    let row = rows.min_by_key(|row| condition(row).is_some())?;
    let destination = row.text().to_owned();
    Some(Offer { preset: preset.dated(), destination, condition: condition(row) })
}

/// Whether a row's text can stand for a name.
fn covers(text: &str, name: &DomainName) -> bool {
    let (is_open, fixed) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut labels = name.labels().rev();
    let matched =
        fixed.split('.').rev().all(|label| labels.next().is_some_and(|one| fits(label, one)));
    let in_front = labels.count();
    matched && if is_open { in_front > 0 } else { in_front == 0 }
}

/// Whether a label of a row, with at most a star and blanks in it, can stand for a label.
fn fits(label: &str, one: &str) -> bool {
    let mut rest = label;
    let mut fixed = Vec::new();
    // What is between stars and blanks, in order.
    while let Some(at) = rest.find(['*', '{']) {
        let (before, behind) = rest.split_at(at);
        fixed.push(before);
        let end = if behind.starts_with('{') { behind.find('}') } else { Some(0) };
        rest = end.and_then(|end| behind.get(end + 1..)).unwrap_or_default();
    }
    if fixed.is_empty() {
        return label == one;
    }
    let first = fixed.first().copied().unwrap_or_default();
    let Some(mut left) = one.strip_prefix(first).and_then(|left| left.strip_suffix(rest)) else {
        return false;
    };
    for part in fixed.iter().skip(1) {
        match left.split_once(part) {
            Some((gap, behind)) if !gap.is_empty() => left = behind,
            _ => return false,
        }
    }
    !left.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_the_newest_presets_whatever_stands_in_the_blanks() {
        let find = |name: &str| offers(&DomainName::parse(name).unwrap());
        let aks = |name: &str| find(name).into_iter().find(|offer| offer.preset == "aks@2026-06");

        let api = aks("my-cluster-1a2b.hcp.northeurope.azmk8s.io").unwrap();
        assert_eq!(api.destination, "*.hcp.{location}.azmk8s.io");
        assert_eq!(aks("mcr.microsoft.com").unwrap().condition, None);
        assert!(aks("hcp.northeurope.azmk8s.io").is_none(), "nothing is in front");
        assert!(aks("x.mcr.microsoft.com").is_none());
        assert!(find("www.example.org").is_empty());
        let all = find("registry.k8s.io");
        let own = all.iter().find(|offer| offer.preset == "kubernetes@2026-11").unwrap();
        assert_eq!(own.condition, Some("registry"));
    }

    #[test]
    fn stars_and_blanks_stand_for_one_character_or_more_inside_a_label() {
        for (label, one, expected) in [
            ("md-*", "md-1", true),
            ("md-*", "md-", false),
            ("md-*", "amd-1", false),
            ("{location}-api", "europe-api", true),
            ("{location}-api", "-api", false),
            ("a{x}b{y}c", "a1b2c", true),
            ("a{x}b{y}c", "abc", false),
            ("same", "same", true),
            ("same", "other", false),
        ] {
            assert_eq!(fits(label, one), expected, "{label} {one}");
        }
    }
}
