//! The files of the repository.

use std::{fs, path::Path};

use crate::step;

/// A text file, with its path from the root of the repository.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Its lines with their numbers, the first being 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// All text files but the ones that tools write, in the order of their paths.
pub(super) fn files() -> Vec<File> {
    const WRITTEN_BY_TOOLS: [&str; 2] = ["target", "dist"];
    let root = step::root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
            if is_hidden || WRITTEN_BY_TOOLS.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The Rust sources.
pub(super) fn sources() -> Vec<File> {
    let mut files = files();
    files.retain(|file| file.has_extension("rs"));
    files
}

#[test]
fn the_walk_finds_this_file_and_the_ci_entry_and_nothing_of_git() {
    let paths: Vec<String> = files().into_iter().map(|file| file.path).collect();

    assert!(paths.iter().any(|path| path == "xtask/src/tidy/tree.rs"));
    assert!(paths.iter().any(|path| path == ".ci/run"));
    assert!(!paths.iter().any(|path| path.starts_with(".git/")));
}
