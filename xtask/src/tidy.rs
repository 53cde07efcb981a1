//! What the compiler does not look at, kept by tests: sizes, names, essays, imports, documents, links,
//! quotes.
//!
//! Each rule is a function from the tree to its offences, and each test says the rule.

mod documents;
mod links;
mod modules;
mod said;
mod text;
mod tree;

/// Fails with every offence on a line of its own.
fn expect_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
