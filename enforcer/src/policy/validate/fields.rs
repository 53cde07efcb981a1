//! The keys of a mapping.

use super::report::{Report, nearest};
use crate::policy::document::{Node, Value};

/// A mapping whose keys are known and stand there once.
pub(super) struct Fields<'n> {
    node: &'n Node,
    entries: Vec<(&'n str, &'n Node)>,
    has_unknown: bool,
}

impl<'n> Fields<'n> {
    /// Takes a mapping apart; keys that are unknown, repeated or without a value are reported.
    pub(super) fn of(
        node: &'n Node,
        what: &str,
        known: &[&str],
        report: &mut Report,
    ) -> Option<Self> {
        let keys = || known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let Value::Mapping(all) = &node.value else {
            let message = format!("{what} is {}, and a mapping is wanted", node.kind());
            report.error(node, message, format!("its keys are {}", keys()));
            return None;
        };
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        let mut has_unknown = false;
        for (key, value) in all {
            let text = key.text();
            if !matches!(key.value, Value::Scalar(_)) {
                let message = format!("a key is {}, and a text is wanted", key.kind());
                report.error(key, message, "a text that begins with `{` or `[` needs quotes");
                has_unknown = true;
            } else if !known.contains(&text) {
                has_unknown = true;
                let help = match nearest(text, known) {
                    Some(word) => format!("did you mean `{word}`? the keys are {}", keys()),
                    None => format!("the keys are {}", keys()),
                };
                report.error(key, format!("{what} has no key `{text}`"), help);
            } else if entries.iter().any(|(seen, _)| *seen == text) {
                report.error(
                    key,
                    format!("the key `{text}` stands here twice"),
                    "keep one of them",
                );
            } else {
                entries.push((text, value));
                // Nothing could mean "all" as well as "none", so it is neither.
                if matches!(value.value, Value::Nothing) {
                    let help = format!("give it a value, or remove the line `{text}:`");
                    report.error(key, format!("`{text}` has no value"), help);
                }
            }
        }
        entries.retain(|(_, value)| !matches!(value.value, Value::Nothing));
        Some(Self { node, entries, has_unknown })
    }

    /// Whether a key was unknown.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// The value of a key that must be there.
    pub(super) fn needed(&self, key: &str, form: &str, report: &mut Report) -> Option<&'n Node> {
        let found = self.get(key);
        let is_empty = |(name, value): &(Node, Node)| {
            name.text() == key && matches!(value.value, Value::Nothing)
        };
        let is_reported =
            matches!(&self.node.value, Value::Mapping(all) if all.iter().any(is_empty));
        if found.is_none() && !is_reported {
            report.error(self.node, format!("`{key}` is missing"), format!("add {form}"));
        }
        found
    }
}
