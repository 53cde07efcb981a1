//! What the documents say against what there is.

use clap::CommandFactory as _;

use super::{
    expect_none,
    tree::{self, File},
};
use crate::Arguments;

#[test]
fn the_changelog_has_a_place_for_what_is_not_released() {
    let files = tree::files();
    let changelog = files.iter().find(|file| file.path == "CHANGELOG.md");

    assert!(changelog.is_some_and(|file| file.text.contains("\n## [Unreleased]\n")));
}

#[test]
fn documents_mention_only_verbs_that_exist() {
    let command = Arguments::command();
    let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let mut offences = Vec::new();
    for file in tree::files() {
        for (number, verb) in mentioned_verbs(&file) {
            if !verbs.contains(&verb) {
                offences.push(format!("{}:{number}: {verb}", file.path));
            }
        }
    }

    expect_none(&format!("the verbs are {verbs:?}"), &offences);
}

#[test]
fn a_mention_is_the_word_after_the_command() {
    let text =
        concat!("Run `cargo xt", "ask frob --now`,\nor cargo xt", "ask VERB, or cargo xtask.\n");
    let file = File { path: "a.md".to_owned(), text: text.to_owned() };

    assert_eq!(mentioned_verbs(&file).collect::<Vec<_>>(), [(1, "frob")]);
}

/// The lower-case words after `cargo xtask`, with their line.
fn mentioned_verbs(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.lines().flat_map(|(number, line)| {
        line.split("cargo xtask ").skip(1).filter_map(move |rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            (end > 0).then(|| (number, &rest[..end]))
        })
    })
}
