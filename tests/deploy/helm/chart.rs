//! The chart as Helm reads it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    kubernetes::manifest::{ask, list, text},
    tools::{output, python, root},
};

/// What the chart renders to.
pub(super) struct Rendered {
    pub(super) objects: Vec<Value>,
    pub(super) notes: String,
}

/// Renders the chart with values, or tells why Helm refuses them.
pub(super) fn render(values: &Value) -> Result<Rendered, String> {
    let answer = ask(script().arg(folder()).arg("render"), &values.to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    if let Some(why) = answer["refused"].as_str() {
        return Err(why.to_owned());
    }
    Ok(Rendered {
        objects: list(&answer["objects"]).to_vec(),
        notes: text(&answer["notes"]).to_owned(),
    })
}

/// `deploy/helm/enforcer`.
pub(super) fn folder() -> PathBuf {
    root().join("deploy/helm/enforcer")
}

fn script() -> std::process::Command {
    let mut command = python("python");
    command.arg(root().join("tests/deploy/helm/chart.py"));
    command
}

#[test]
fn helm_has_nothing_to_complain_of_in_any_version_of_kubernetes() {
    const INFORMATION: u64 = 1;
    for version in ["v1.28.0", "v1.29.0", "v1.30.0", "v1.37.0"] {
        let report = output(script().arg(folder()).args(["lint", version]));
        let report: Value = serde_json::from_str(&report).unwrap();
        let messages = list(&report["messages"]).iter();
        let worse = messages.filter(|one| one["severity"].as_u64() > Some(INFORMATION));

        assert_eq!(worse.collect::<Vec<_>>(), Vec::<&Value>::new(), "{version}");
        assert_eq!(report["errors"], json!([]), "{version}");
    }
}

#[test]
fn the_notes_say_how_to_look_and_that_nothing_is_dropped() {
    let notes = render(&json!({})).unwrap().notes;

    assert!(notes.contains("exec ds/enforcer -- enforcer status"), "{notes}");
    assert!(notes.contains("nothing is dropped"), "{notes}");
    let notes = render(&json!({"policy": "spec: {}"})).unwrap().notes;
    assert!(!notes.contains("nothing is dropped"), "{notes}");
}
