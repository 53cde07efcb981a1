//! The policies that documents show.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    super::compile::{self, Slots},
    parse,
};

/// The pages that an operator copies from, from the root of the repository.
const PAGES: [&str; 3] = ["README.md", "docs", "deploy"];
/// Fewer would mean that they are not found any more.
const MIN_POLICIES: usize = 7;

#[test]
fn every_policy_in_a_document_is_valid_and_fits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = Vec::new();
    for page in PAGES {
        find(&root.join(page), &mut pages);
    }
    let mut policies = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            if !block.contains("kind: EgressPolicy") {
                continue;
            }
            policies += 1;
            let parsed = parse(block);
            let policy = parsed.policy.unwrap_or_else(|| {
                panic!("{}: {:#?}\n{block}", page.display(), parsed.diagnostics)
            });
            let compiled = compile::compile(&policy, &[], &mut Slots::default());
            assert!(compiled.is_ok(), "{}: {compiled:?}\n{block}", page.display());
        }
    }

    assert!(policies >= MIN_POLICIES, "only {policies} policies");
}

/// The documents at a path and below it.
fn find(path: &Path, pages: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            find(&entry.unwrap().path(), pages);
        }
    } else if path.extension().is_some_and(|extension| extension == "md") {
        pages.push(path.to_owned());
    }
}
