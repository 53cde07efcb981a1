//! Links between documents lead to a file, and their anchors to a heading.

use std::collections::BTreeMap;

use super::{
    expect_none,
    tree::{self, File},
};
use crate::step;

#[test]
fn links_between_documents_lead_to_a_file_and_a_heading() {
    let files = tree::files();
    let documents: BTreeMap<&str, &File> = files
        .iter()
        .filter(|file| file.has_extension("md"))
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut offences = Vec::new();
    for file in documents.values() {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in file.lines() {
            for (target, anchor) in links(line) {
                let path = if target.is_empty() { file.path.clone() } else { join(folder, target) };
                let is_there = step::root().join(&path).exists();
                let has_heading = documents.get(path.as_str()).is_none_or(|document| {
                    anchor.is_empty() || anchors(&document.text).contains(&anchor.to_owned())
                });
                if !is_there || !has_heading {
                    offences.push(format!("{}:{number}: {target}#{anchor}", file.path));
                }
            }
        }
    }

    expect_none("these lead nowhere", &offences);
}

#[test]
fn a_link_is_a_path_in_the_tree_with_an_anchor_and_not_an_address() {
    let line = "[a](b/c.md#d), [e](https://example.com/f), [g](#h), [i](j)";

    assert_eq!(links(line).collect::<Vec<_>>(), [("b/c.md", "d"), ("", "h"), ("j", "")]);
    assert_eq!(join("docs", "../deploy/./a.md"), "deploy/a.md");
}

#[test]
fn an_anchor_is_a_heading_in_lower_case_without_marks_and_numbered_when_it_comes_again() {
    let text =
        "# A `b`: c, d_e\n\n```\n# not this\n```\n\n    # nor this\n## Same\n### Same\n#none\n";

    assert_eq!(anchors(text), ["a-b-c-d_e", "same", "same-1"]);
}

/// The paths that a line of Markdown links to, each with its anchor.
fn links(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?;
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        (!target.is_empty() && !target.contains(':')).then_some((path, anchor))
    })
}

/// A path from the root of the tree, of one that starts in a folder.
fn join(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors that hosting sites give the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_fenced = false;
    for line in text.lines() {
        is_fenced ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if is_fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let earlier = seen.entry(anchor.clone()).or_default();
        found.push(if *earlier == 0 { anchor } else { format!("{anchor}-{earlier}") });
        *earlier += 1;
    }
    found
}
