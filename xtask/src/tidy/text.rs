//! What must not stand in a text, and what must stand beside `unsafe`.

use super::{
    expect_none,
    tree::{self, File},
};

#[test]
fn no_text_names_a_machine() {
    // Written in halves, so that this file does not name one.
    let machines = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/tm", "p/wt"),
        concat!("/wo", "rk/"),
        concat!("artif", "actory"),
        concat!("index.", "crates.io"),
    ];
    let mut offences = Vec::new();
    for file in tree::files() {
        for (number, line) in file.lines() {
            let found = machines.iter().find(|machine| line.contains(**machine));
            offences.extend(found.map(|machine| format!("{}:{number}: {machine}", file.path)));
        }
    }

    expect_none("these mean something on one machine only", &offences);
}

#[test]
fn no_source_puts_work_off_without_an_issue() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut offences = Vec::new();
    for file in tree::sources() {
        for (number, line) in file.lines() {
            if marks.iter().any(|mark| line.contains(mark)) && !names_an_issue(line) {
                offences.push(format!("{}:{number}", file.path));
            }
        }
    }

    expect_none("name the issue, as in #12, or do it", &offences);
}

#[test]
fn an_issue_is_a_hash_and_a_number() {
    const CASES: [(&str, bool); 3] =
        [("see #12", true), ("see # 12", false), ("#[derive(Debug)]", false)];
    for (line, expected) in CASES {
        assert_eq!(names_an_issue(line), expected, "{line}");
    }
}

/// Clippy holds the host's packages to this; the eBPF compiler may come without clippy.
#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let mut offences = Vec::new();
    for file in tree::sources() {
        offences.extend(unexplained(&file).map(|number| format!("{}:{number}", file.path)));
    }

    expect_none("write a SAFETY line: which invariant, and who keeps it", &offences);
}

#[test]
fn an_unsafe_block_without_its_line_is_found() {
    let block = concat!("let a = unsa", "fe { *b };");
    let cases = [
        ("none", format!("fn f() {{\n{block}\n}}\n"), vec![2]),
        ("above", format!("// SAFETY: b is a\n// valid pointer\n{block}\n"), vec![]),
        ("above the statement", format!("// SAFETY: b is valid\nlet c =\n    {block}\n"), vec![]),
        ("another's", format!("// SAFETY: b is valid\n{block}\n\n{block}\n"), vec![4]),
    ];
    for (label, text, expected) in cases {
        let file = File { path: "a.rs".to_owned(), text };

        assert_eq!(unexplained(&file).collect::<Vec<_>>(), expected, "{label}");
    }
}

/// The lines of unsafe blocks and implementations above which no SAFETY stands in their statement.
fn unexplained(file: &File) -> impl Iterator<Item = usize> {
    let openings = [concat!("unsa", "fe {"), concat!("unsa", "fe impl")];
    let lines: Vec<&str> = file.text.lines().collect();
    file.lines().filter_map(move |(number, line)| {
        let code = line.split("//").next().unwrap_or_default();
        // The string that this file looks for is not a block.
        let is_unsafe = openings.iter().any(|opening| code.contains(opening));
        if !is_unsafe || line.contains("SAFETY:") {
            return None;
        }
        let above = lines[..number - 1].iter().rev().take_while(|line| {
            let line = line.trim();
            line.starts_with("//") || line.starts_with("#[") || !line.is_empty() && !ends(line)
        });
        let mut above = above;
        if above.any(|line| line.contains("SAFETY:")) { None } else { Some(number) }
    })
}

/// Whether a line of code closes a statement or opens a block, so that a comment above it speaks
/// of something else.
fn ends(line: &str) -> bool {
    line.ends_with([';', '{', '}'])
}

fn names_an_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}
