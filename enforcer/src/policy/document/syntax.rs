//! What is wrong with the YAML itself, in the words of a policy.

use serde_saphyr::Error;

use crate::policy::{
    diagnostic::{Diagnostic, Severity},
    document::Place,
};

/// The one syntax error of a file.
pub(super) fn explain(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let place = error.location().as_ref().map_or(Place { line: 1, column: 1 }, Place::from);
    let Place { line, column } = place;
    let rest = rest_of_line(source, line, column);
    let at = |text: &str, message: String, help: String| Diagnostic {
        severity: Severity::Error,
        line,
        column,
        text: text.to_owned(),
        message,
        help,
    };
    if let Some(wildcard) =
        unquoted_wildcard(rest).filter(|text| *text == "*" || text.contains('.'))
    {
        return at(
            wildcard,
            format!("`{wildcard}` begins with `*`, which YAML reads as an alias"),
            format!("put the wildcard in quotes: \"{wildcard}\""),
        );
    }
    let text = rest.split_whitespace().next().unwrap_or_default();
    if matches!(error, Error::MultipleDocuments { .. }) {
        let help = "a policy file holds one document: remove what follows `---`";
        return at(text, "a second YAML document begins here".to_owned(), help.to_owned());
    }
    let line_text = rest_of_line(source, line, 1);
    if line_text.trim_start_matches(' ').starts_with('\t') {
        return at("", "a tab cannot indent YAML".to_owned(), "indent with spaces".to_owned());
    }
    if matches!(error, Error::UnknownAnchor { .. }) {
        let help = "define the anchor before it is used, or put the text in quotes";
        return at(text, "this alias has no anchor".to_owned(), help.to_owned());
    }
    let reason = error.to_string();
    let message = format!("this is not valid YAML: {}", without_place(&reason));
    let help = "check indentation, colons, brackets and quotes here and on the line before";
    at(text, message, help.to_owned())
}

/// The first line of the YAML crate's message, without the position at its end.
fn without_place(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.rsplit_once(" at line ").map_or(line, |(reason, _)| reason)
}

fn rest_of_line(source: &str, line: u32, column: u32) -> &str {
    let text = source.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let start = text.char_indices().nth(column.saturating_sub(1) as usize);
    start.and_then(|(start, _)| text.get(start..)).unwrap_or_default()
}

/// The pattern that an alias was meant to be.
fn unquoted_wildcard(rest: &str) -> Option<&str> {
    let end = rest.find(|c: char| c.is_whitespace() || ",]}#".contains(c)).unwrap_or(rest.len());
    rest.get(..end).filter(|text| text.starts_with('*'))
}
