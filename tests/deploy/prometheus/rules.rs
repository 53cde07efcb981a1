//! The files of rules, and what Prometheus's checker says of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use enforcer_tests::scratch::Scratch;
use serde_json::Value;

use super::{expression::names, page};
use crate::tools::{output, python, root};

pub(crate) const ALERTS: &str = "alerts.yaml";
pub(crate) const RECORDING: &str = "recording.yaml";

/// Prints a file of YAML as JSON; times and numbers stay what they are.
const TO_JSON: &str =
    "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";

/// Where the files for Prometheus are.
pub(crate) fn folder() -> PathBuf {
    root().join("deploy/prometheus")
}

/// What a file of YAML says.
pub(crate) fn yaml(path: &Path) -> Value {
    let text = output(python("python").args(["-c", TO_JSON]).arg(path));
    serde_json::from_str(&text).unwrap()
}

/// The rules of a file.
pub(crate) fn rules(file: &str) -> Vec<Value> {
    let groups = yaml(&folder().join(file));
    let groups = groups["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// What a key of a rule says.
pub(crate) fn text<'a>(rule: &'a Value, key: &str) -> &'a str {
    rule[key].as_str().unwrap_or_else(|| panic!("no {key} in {rule:#}"))
}

fn promtool(arguments: &[&str], files: &[PathBuf]) -> Command {
    let mut command = Command::new("promtool");
    command.args(arguments).args(files);
    command
}

#[test]
fn prometheus_takes_the_rules_and_the_configuration_and_refuses_a_broken_one() {
    let files = [ALERTS, RECORDING].map(|file| folder().join(file));
    let said = output(&mut promtool(&["check", "rules"], &files));
    assert!(!said.contains("duplicate"), "{said}");
    output(&mut promtool(&["check", "config"], &[folder().join("prometheus.yaml")]));

    let scratch = Scratch::make().unwrap();
    let text = std::fs::read_to_string(folder().join(ALERTS)).unwrap();
    let broken =
        text.replace("increase(enforcer_restored_total[10m])", "increase(enforcer_restored_total)");
    assert_ne!(text, broken);
    let broken = scratch.write(ALERTS, &broken).unwrap();
    assert!(!promtool(&["check", "rules"], &[broken]).output().unwrap().status.success());
}

#[test]
fn what_is_recorded_is_what_its_cases_say() {
    let said = output(&mut promtool(&["test", "rules"], &[folder().join("recording_test.yaml")]));

    assert!(said.contains("SUCCESS"), "{said}");
    let cases = std::fs::read_to_string(folder().join("recording_test.yaml")).unwrap();
    for rule in rules(RECORDING) {
        let record = text(&rule, "record");
        assert!(cases.contains(&format!("expr: {record}\n")), "no case asks for {record}");
    }
}

#[test]
fn rules_ask_for_nothing_but_what_an_agent_or_prometheus_itself_gives() {
    let mut given = page::metrics();
    given.insert("up".to_owned());
    for file in [ALERTS, RECORDING] {
        let rules = rules(file);
        assert!(!rules.is_empty());
        for rule in rules {
            let asked = names(text(&rule, "expr")).metrics;
            assert!(!asked.is_empty(), "{rule:#}");
            // An alert that needs a recorded series is silent where only the alerts are loaded.
            assert!(asked.is_subset(&given), "{asked:?} of {rule:#}");
        }
    }
}
