//! What documents quote is what the program says.
//!
//! A block of Markdown that begins with three backticks and `said` has a text of the program on
//! each line; `…` stands for what differs. Errors are told with their causes behind colons, so what
//! is between two colons has to stand in one source, piece by piece.

use super::{
    expect_none,
    tree::{self, File},
};

/// Where the program's texts come from.
const SOURCES: [&str; 2] = ["enforcer/src/", "enforcer-common/src/"];
const OPEN: &str = "```said";
/// Fewer letters in all prove nothing.
const MIN_LETTERS: usize = 6;

#[test]
fn what_documents_quote_of_the_program_stands_in_its_sources() {
    let files = tree::files();
    let is_source = |file: &&File| {
        file.has_extension("rs") && SOURCES.iter().any(|source| file.path.starts_with(source))
    };
    let sources: Vec<String> =
        files.iter().filter(is_source).map(|file| spoken(&file.text)).collect();
    let mut offences = Vec::new();
    let mut quotes = 0;
    for file in files.iter().filter(|file| file.has_extension("md")) {
        for (number, quote) in quoted(file) {
            quotes += 1;
            if !is_said(quote, &sources) {
                offences.push(format!("{}:{number}: {quote}", file.path));
            }
        }
    }

    expect_none("no source says this", &offences);
    assert!(quotes > 20, "only {quotes} quotes: has the mark of a block changed?");
}

#[test]
fn a_quote_is_found_over_folded_lines_and_around_what_is_filled_in() {
    let source =
        "#[error(\n    \"the pins in {} have \\\"another\\\" \\\n     layout, {count}\"\n)]";
    let sources = [spoken(source)];

    assert!(is_said("the pins in … have \"another\" layout, …", &sources));
    assert!(is_said("the pins in …: layout, …: …", &sources));
    for other in
        ["the pins in … have a layout", "the pins in /sys have \"another\" layout", "…", "in"]
    {
        assert!(!is_said(other, &sources), "{other}");
    }
}

/// The lines of quotes, with their numbers.
fn quoted(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_quote = false;
    file.lines().filter(move |(_, line)| {
        let was_quote = is_quote;
        if line.starts_with("```") {
            is_quote = *line == OPEN;
        }
        was_quote && is_quote
    })
}

/// Whether sources have each piece of a quote, and one of them all between two colons.
fn is_said(quote: &str, sources: &[String]) -> bool {
    let letters = quote.chars().filter(|it| it.is_alphabetic()).count();
    letters >= MIN_LETTERS
        && quote.split(": ").all(|part| {
            let pieces = || part.split('…').map(str::trim).filter(|piece| !piece.is_empty());
            sources.iter().any(|source| pieces().all(|piece| source.contains(piece)))
        })
}

/// A source with its texts as they are said: folded lines joined, quotation marks plain.
fn spoken(source: &str) -> String {
    let mut joined = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("\\\n") {
        joined.push_str(before);
        rest = after.trim_start();
    }
    joined.push_str(rest);
    joined.replace("\\\"", "\"")
}
