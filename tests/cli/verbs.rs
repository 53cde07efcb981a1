//! All other verbs, where nothing is loaded.

use std::process::{Output, Stdio};

use enforcer_tests::binary;

const NOWHERE: &str = "/nonexistent/enforcer";

fn run(arguments: &[&str]) -> Output {
    std::process::Command::new(binary::enforcer().unwrap()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_verb_explains_itself() {
    for verb in [
        "run",
        "check",
        "explain",
        "status",
        "names",
        "presets",
        "schema",
        "unload",
        "completion",
        "man",
    ] {
        let done = run(&[verb, "--help"]);
        assert_eq!(done.status.code(), Some(0), "{verb}: {done:?}");
        assert!(text(&done.stdout).lines().count() > 3, "{verb}: {}", text(&done.stdout));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["status", "--nonsense"][..],
        &["run"],
        &["frobnicate"],
        &["run", "--policy", "p.yaml", "--tc", "auto,eth0"],
        &["run", "--policy", "p.yaml", "--metrics", "localhost"],
        &["explain", "a.test:99999"],
    ] {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        assert!(text(&done.stderr).starts_with("error: "), "{arguments:?}: {done:?}");
    }
}

#[test]
fn status_of_nothing_exits_with_4() {
    let plain = run(&["status", "--bpffs", NOWHERE]);
    let json = run(&["status", "-o", "json", "--bpffs", NOWHERE]);

    assert_eq!((plain.status.code(), json.status.code()), (Some(4), Some(4)), "{plain:?}");
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&value["state"], &value["mode"]), (&"off".into(), &"off".into()));
}

#[test]
fn names_of_nothing_is_an_error_that_says_so() {
    let done = run(&["names", "--bpffs", NOWHERE]);

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("nothing is loaded"), "{done:?}");
}

#[test]
fn unloading_nothing_is_fine_and_says_so() {
    let done = run(&["unload", "--bpffs", NOWHERE]);

    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).contains("nothing is loaded"), "{done:?}");
}

#[test]
fn run_without_a_policy_file_exits_with_1() {
    let done = run(&["run", "--policy", "/nonexistent/policy.yaml"]);

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("read policy /nonexistent/policy.yaml"), "{done:?}");
}

#[test]
fn the_schema_is_json() {
    let done = run(&["schema"]);

    let value: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(value["properties"]["spec"].is_object(), "{value:#}");
}

#[test]
fn presets_are_listed_with_their_dates_and_shown() {
    let list = text(&run(&["presets", "list"]).stdout);
    let rows: Vec<Vec<&str>> =
        list.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    for dated in [["aks", "2026-06"], ["aks", "2019-06"], ["eks", "2024-12"], ["gke", "2026"]] {
        assert!(rows.iter().any(|row| *row == dated), "{dated:?}: {list}");
    }
    assert!(text(&run(&["presets", "show", "aks"]).stdout).contains("mcr.microsoft.com"));
    let unknown = run(&["presets", "show", "akz"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(text(&unknown.stderr).contains("aks"), "{unknown:?}");
}

#[test]
fn two_presets_are_compared() {
    let done = run(&["presets", "diff", "aks@2019-06", "aks"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let said = text(&done.stdout);
    let has = |sign: &str, name: &str| {
        said.lines().any(|line| line.starts_with(sign) && line.contains(name))
    };
    assert!(has("+", "packages.aks.azure.com") && has("-", "aksrepos.azurecr.io"), "{said}");
    assert!(said.contains("aks@2019-06 to aks@2026-06: "), "{said}");

    let json = run(&["presets", "diff", "-o", "json", "aks", "aks@2019-06"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&value["kind"], &value["from"]), (&"PresetDiff".into(), &"aks@2026-06".into()));
    let removed = value["removed"].as_array().unwrap();
    assert!(removed.iter().any(|row| row["fqdn"] == "packages.aks.azure.com"));

    let same = run(&["presets", "diff", "gke", "gke"]);
    assert_eq!(same.status.code(), Some(0));
    assert!(text(&same.stdout).contains("have the same"));
    let none = run(&["presets", "diff", "aks", "asks"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("did you mean `aks`"), "{none:?}");
    assert_eq!(run(&["presets", "diff", "aks"]).status.code(), Some(2));
}

#[test]
fn completions_and_the_manual_are_there() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&run(&["completion", shell]).stdout).contains("enforcer"), "{shell}");
    }
    assert!(text(&run(&["man"]).stdout).contains(".TH enforcer"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = std::process::Command::new(binary::enforcer().unwrap())
        .arg("schema")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    drop(child.stdout.take());

    assert_eq!(child.wait().unwrap().code(), Some(0));
}
