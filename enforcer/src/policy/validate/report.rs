//! Collects findings, and reads scalars and lists with one.

use crate::policy::{
    Origin,
    diagnostic::{Diagnostic, Severity},
    document::{Node, Place, Value},
};

/// How alike two words are at least for one to be meant for the other (Jaro-Winkler).
const LIKENESS: f64 = 0.8;

/// The findings so far.
#[derive(Default)]
pub(super) struct Report {
    found: Vec<Diagnostic>,
}

impl Report {
    /// The findings in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.line, found.column));
        self.found
    }

    /// Something is wrong with a value.
    /// Whether there is no error so far: what is missing may be what another error is about.
    pub(super) fn is_clean(&self) -> bool {
        !self.found.iter().any(|found| found.severity == Severity::Error)
    }

    pub(super) fn error(
        &mut self,
        node: &Node,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, node.place, node.text(), message.into(), help.into());
    }

    /// Something is doubtful about a value.
    pub(super) fn warning(&mut self, node: &Node, message: String, help: String) {
        self.push(Severity::Warning, node.place, node.text(), message, help);
    }

    /// Something is wrong with a rule that is read already.
    pub(super) fn error_at(
        &mut self,
        origin: &Origin,
        text: &str,
        message: String,
        help: impl Into<String>,
    ) {
        let place = Place { line: origin.line, column: origin.column };
        self.push(Severity::Error, place, text, message, help.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        place: Place,
        text: &str,
        message: String,
        help: String,
    ) {
        let (line, column) = (place.line, place.column);
        self.found.push(Diagnostic {
            severity,
            line,
            column,
            text: text.to_owned(),
            message,
            help,
        });
    }

    /// The text of a scalar.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str, form: &str) -> Option<&'n str> {
        if let Value::Scalar(text) = &node.value {
            return Some(text);
        }
        self.error(
            node,
            format!("{what} is {}, and a text is wanted", node.kind()),
            format!("write {form}"),
        );
        None
    }

    /// The entries of a list.
    pub(super) fn list<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        form: &str,
    ) -> Option<&'n [Node]> {
        if let Value::Sequence(entries) = &node.value {
            return Some(entries);
        }
        self.error(
            node,
            format!("{what} is {}, and a list is wanted", node.kind()),
            format!("write {form}"),
        );
        None
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.text() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let message =
                    format!("{what} is {}, and a truth value is wanted", said(other, node));
                self.error(node, message, "write `true` or `false`");
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = node.text();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let message = format!("{} is no {what}", said(text, node));
        self.error(node, message, meant(text, &words, "write"));
        None
    }
}

fn said(text: &str, node: &Node) -> String {
    if text.is_empty() { node.kind().to_owned() } else { format!("`{text}`") }
}

/// "did you mean", and which words there are.
pub(super) fn meant(text: &str, words: &[&str], verb: &str) -> String {
    let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match nearest(text, words) {
        Some(word) => format!("did you mean `{word}`? {verb} one of {list}"),
        None => format!("{verb} one of {list}"),
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let text = text.to_ascii_lowercase();
    let swapped =
        words.iter().find(|word| word.len() > 2 && strsim::osa_distance(&text, word) == 1);
    if swapped.is_some() {
        return swapped.copied();
    }
    let likeness = |word: &str| strsim::jaro_winkler(&text, &word.to_ascii_lowercase());
    let best = words.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS).then_some(*best)
}
