//! Sizes, names, essays and imports of the modules.

use super::{
    expect_none,
    tree::{self, File},
};

const MOST_LINES: usize = 500;

/// Words that name no thing: whatever is put there belongs to something that has a name.
const NAMELESS: [&str; 7] =
    ["common.rs", "helpers.rs", "manager.rs", "misc.rs", "mod.rs", "types.rs", "utils.rs"];

/// Who must not import whom: a folder and file, and the crates or modules it knows nothing of.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("enforcer/src/policy", &["aya", "tokio", "hickory_resolver", "crate::datapath", "crate::cli"]),
    ("enforcer/src/fqdn", &["aya", "tokio", "hickory_resolver", "crate::policy", "crate::cli"]),
    ("enforcer/src/datapath", &["crate::agent", "crate::cli", "crate::resolver"]),
    ("enforcer/src/resolver", &["aya", "crate::agent", "crate::cli", "crate::datapath"]),
];

#[test]
fn no_source_is_longer_than_five_hundred_lines() {
    let long: Vec<String> = tree::sources()
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();

    expect_none("split these by their nouns", &long);
}

#[test]
fn no_source_has_a_name_that_says_nothing() {
    let nameless: Vec<String> = tree::sources()
        .into_iter()
        .filter(|file| NAMELESS.contains(&file.name()))
        .map(|file| file.path)
        .collect();

    expect_none("name these for what they hold", &nameless);
}

#[test]
fn every_area_opens_with_an_essay_and_every_source_with_a_line() {
    const ESSAY_LINES: usize = 3;
    let sources = tree::sources();
    let mut silent = Vec::new();
    for file in sources.iter().filter(|file| !is_test(file)) {
        let needed = if is_area_root(file, &sources) { ESSAY_LINES } else { 1 };
        let said = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        if said < needed {
            silent.push(format!("{}: {said} lines of `//!`, wants {needed}", file.path));
        }
    }

    expect_none("say at the top what it owns and what it must not know", &silent);
}

#[test]
fn nothing_imports_what_its_layer_must_not_know() {
    let mut offences = Vec::new();
    for file in tree::sources().iter().filter(|file| !is_test(file)) {
        for (area, strangers) in STRANGERS {
            let is_inside = file.path.strip_prefix(area);
            if is_inside.is_none_or(|rest| !rest.starts_with(['/', '.'])) {
                continue;
            }
            for (number, line) in file.lines() {
                let found = strangers.iter().find(|stranger| names(line, stranger));
                offences.extend(
                    found.map(|stranger| format!("{}:{number}: names {stranger}", file.path)),
                );
            }
        }
        let is_datapath = file.path.starts_with("enforcer/src/datapath");
        if file.path.starts_with("enforcer/src/") && !is_datapath {
            let aya = file.lines().filter(|(_, line)| names(line, "aya"));
            offences.extend(aya.map(|(number, _)| format!("{}:{number}: names aya", file.path)));
        }
    }

    expect_none("only the layers above may know these (ARCHITECTURE.md, invariants)", &offences);
}

#[test]
fn a_name_in_a_comment_or_inside_another_word_is_no_import() {
    const CASES: [(&str, &str, bool); 6] = [
        ("use", "use aya::Ebpf;", true),
        ("path", "    let map = aya::maps::Array::new();", true),
        ("module", "use crate::cli;", true),
        ("comment", "// aya::Ebpf would do", false),
        ("longer word", "use himalaya::Peak;", false),
        ("other module", "use crate::clippy;", false),
    ];
    for (label, line, expected) in CASES {
        let stranger = if line.contains("crate") { "crate::cli" } else { "aya" };

        assert_eq!(names(line, stranger), expected, "{label}");
    }
}

/// Whether code names a crate or module as a path.
fn names(line: &str, stranger: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(stranger).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + stranger.len()..];
        let is_whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        is_whole && (after.starts_with("::") || (after.starts_with(';') && code.contains("use ")))
    })
}

fn is_test(file: &File) -> bool {
    file.path.contains("/tests/") || file.name() == "tests.rs" || file.path.starts_with("tests/")
}

/// A crate's `lib.rs`, or a module directly below it that has at least three modules of its own.
fn is_area_root(file: &File, sources: &[File]) -> bool {
    if file.name() == "lib.rs" {
        return true;
    }
    let folder = file.path.trim_end_matches(".rs");
    let below = |other: &&File| {
        other.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) && !is_test(other)
    };
    folder.matches('/').count() == 2 && sources.iter().filter(below).count() >= 3
}
