//! Two presets, and what changes from one to the other.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use serde::Serialize;

use crate::{
    cli::output,
    policy::{
        API_VERSION,
        preset::{Changed, Difference, Preset, Row, Terms},
    },
};

/// The difference; keys may be added, none is renamed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'p> {
    api_version: &'static str,
    kind: &'static str,
    /// The presets with their dates.
    from: String,
    to: String,
    #[serde(flatten)]
    difference: &'p Difference<'p>,
}

impl<'p> Document<'p> {
    pub(super) fn of(from: &Preset, to: &Preset, difference: &'p Difference<'p>) -> Self {
        let (from, to) = (from.dated(), to.dated());
        Self { api_version: API_VERSION, kind: "PresetDiff", from, to, difference }
    }
}

/// As a table; a line that tells how much there is comes last.
pub(super) fn table(from: &Preset, to: &Preset, difference: &Difference<'_>) -> String {
    if difference.is_empty() {
        return format!("{} and {} have the same\n", from.dated(), to.dated());
    }
    let gone = difference.removed.iter().map(|row| line("-", row));
    let come = difference.added.iter().map(|row| line("+", row));
    let other = difference.changed.iter().flat_map(changed);
    let rows: Vec<Vec<String>> = gone.chain(other).chain(come).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let header = ["", "DESTINATION", "PORTS", "WHEN", "CLOUD", "PURPOSE"];
        text = output::columns(Some(&header), rows);
    }
    for (what, words) in
        [("parameters", &difference.parameters), ("conditions", &difference.conditions)]
    {
        for (sign, words) in [("-", &words.removed), ("+", &words.added)] {
            if !words.is_empty() {
                // Writing to a string cannot fail.
                let _: fmt::Result = writeln!(text, "{sign} {what}: {}", words.join(", "));
            }
        }
    }
    let count = |rows: &[&Row]| rows.iter().map(|row| row.text()).collect::<BTreeSet<_>>().len();
    // As above.
    let _: fmt::Result = writeln!(
        text,
        "{} to {}: {} destinations more, {} less, {} changed",
        from.dated(),
        to.dated(),
        count(&difference.added),
        count(&difference.removed),
        difference.changed.len()
    );
    text
}

fn line(sign: &str, row: &Row) -> Vec<String> {
    let when = row.when.as_deref().unwrap_or("always");
    let cloud = row.cloud.as_deref().unwrap_or("-");
    let ports = row.ports.join(" ");
    [sign, row.text(), &ports, when, cloud, &row.purpose].map(str::to_owned).to_vec()
}

/// What each says of a destination of both.
fn changed(changed: &Changed<'_>) -> [Vec<String>; 2] {
    let line = |sign: &str, terms: &Terms<'_>| {
        let ports: BTreeSet<&str> = terms.iter().map(|(port, _)| *port).collect();
        let when: BTreeSet<&str> = terms.iter().map(|(_, when)| when.unwrap_or("always")).collect();
        let joined = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(" ");
        let cloud = changed.cloud.unwrap_or("-");
        [sign, changed.destination, &joined(ports), &joined(when), cloud, ""]
            .map(str::to_owned)
            .to_vec()
    };
    [line("-", &changed.from), line("+", &changed.to)]
}
