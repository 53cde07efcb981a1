//! Which rows of a preset a request takes.

use super::{
    About, Preset, Problem, Request, Row,
    document::{CLOUD, DEPRECATED},
    nearest,
    parameter::fill,
    quoted,
};
use std::collections::BTreeMap;

/// The rows that a request takes, in the order of the file.
pub(super) fn rows<'p>(
    preset: &'p Preset,
    request: &Request<'_>,
    values: &BTreeMap<&str, &str>,
    problems: &mut Vec<Problem>,
) -> Vec<&'p Row> {
    for word in request.include {
        if preset.condition(word).is_none() {
            let message = format!("the preset `{}` has no condition `{word}`", preset.name);
            let help = help_with_word(preset, word);
            problems.push(Problem { about: About::Include(word.clone()), message, help });
        }
    }
    for word in request.exclude {
        let message = if request.include.contains(word) {
            format!("`{word}` is both included and excluded")
        } else if is_excludable(preset, word, values) {
            continue;
        } else {
            format!("the preset `{}` has no condition and no row `{word}`", preset.name)
        };
        let help = if request.include.contains(word) {
            "keep one of the two".to_owned()
        } else {
            format!(
                "{}; also `{DEPRECATED}`, or a destination as `enforcer presets show {}` lists it",
                help_with_word(preset, word),
                preset.name
            )
        };
        problems.push(Problem { about: About::Exclude(word.clone()), message, help });
    }
    preset.rows.iter().filter(|row| takes(preset, request, values, row)).collect()
}

fn takes(preset: &Preset, request: &Request<'_>, values: &BTreeMap<&str, &str>, row: &Row) -> bool {
    let excludes = |word: &str| request.exclude.iter().any(|excluded| excluded == word);
    let is_on = row.when.as_deref().is_none_or(|when| {
        let is_default = preset.condition(when).is_some_and(|condition| condition.default);
        (is_default || request.include.iter().any(|word| word == when)) && !excludes(when)
    });
    let is_here =
        row.cloud.as_deref().is_none_or(|cloud| values.get(CLOUD).is_none_or(|set| *set == cloud));
    let is_excluded = (row.deprecated && excludes(DEPRECATED))
        || request.exclude.iter().any(|word| is_row(row, word, values));
    is_on && is_here && !is_excluded
}

fn is_excludable(preset: &Preset, word: &str, values: &BTreeMap<&str, &str>) -> bool {
    word == DEPRECATED
        || preset.condition(word).is_some()
        || preset.rows.iter().any(|row| is_row(row, word, values))
}

/// Whether a word is the destination of a row, blanks filled in or not.
fn is_row(row: &Row, word: &str, values: &BTreeMap<&str, &str>) -> bool {
    row.text() == word || fill(row.text(), values).is_ok_and(|text| text == word)
}

fn help_with_word(preset: &Preset, word: &str) -> String {
    let known = || preset.conditions.iter().map(|condition| condition.name.as_str());
    match nearest(word, known()) {
        _ if preset.conditions.is_empty() => "it has no conditions".to_owned(),
        Some(near) => format!("did you mean `{near}`? its conditions are {}", quoted(known())),
        None => format!("its conditions are {}", quoted(known())),
    }
}
