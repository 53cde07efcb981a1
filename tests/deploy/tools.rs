//! The checkers that `cargo xtask setup` has brought, and the files they are given.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A checker from `PyPI`.
pub(crate) fn python(program: &str) -> Command {
    Command::new(folder().join("python/bin").join(program))
}

/// Where npm has put its packages.
pub(crate) fn node() -> PathBuf {
    folder().join("node")
}

/// The file of `dist/` whose name ends so.
pub(crate) fn dist(end: &str) -> PathBuf {
    let entries = fs::read_dir(root().join("dist")).into_iter().flatten().flatten();
    let mut found = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end)));
    found.next().unwrap_or_else(|| panic!("no file *{end} in dist/: run `cargo xtask dist`"))
}

/// Runs a command that must end well, and gives what it printed.
pub(crate) fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the checker starts");
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{said}{complained}");
    said.into_owned()
}

fn folder() -> PathBuf {
    env::var_os("ENFORCER_TOOLS")
        .expect("ENFORCER_TOOLS: run `cargo xtask test --tier deploy`")
        .into()
}

#[test]
fn the_checkers_answer() {
    assert!(output(python("kubectl").args(["version", "--client"])).contains("Client Version"));
    assert!(root().join("Cargo.toml").is_file());
    output(python("python").args(["-c", "import kubernetes_validate, yaml"]));
    assert!(node().join("node_modules/@kubernetes-models/prometheus-operator").is_dir());
}
