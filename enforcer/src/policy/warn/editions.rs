//! Presets of which there is a newer edition.

use std::collections::BTreeMap;

use super::warning;
use crate::policy::{Origin, Policy, diagnostic::Diagnostic, preset};

/// A warning for each preset whose page has been copied again since.
pub(super) fn warnings(policy: &Policy) -> Vec<Diagnostic> {
    let mut named: BTreeMap<&str, &Origin> = BTreeMap::new();
    for rule in &policy.rules {
        if let Some(preset) = &rule.origin.preset {
            named.entry(preset).or_insert(&rule.origin);
        }
    }
    named.into_iter().filter_map(|(dated, origin)| outdated(dated, origin)).collect()
}

fn outdated(dated: &str, origin: &Origin) -> Option<Diagnostic> {
    let base = dated.split('@').next().unwrap_or_default();
    let (used, newest) = (preset::find(dated).ok()?, preset::find(base).ok()?);
    if used.date == newest.date {
        return None;
    }
    let count = preset::difference(used, newest).destinations();
    let message = format!(
        "the preset `{dated}` is older than `{}`, and {count} destinations differ",
        newest.dated()
    );
    let help = format!("see `enforcer presets diff {dated} {base}`; `name: {base}` is the newest");
    Some(warning(origin.line, origin.column, dated.to_owned(), message, help))
}
