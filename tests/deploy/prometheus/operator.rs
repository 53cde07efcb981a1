//! The same rules as a resource of Prometheus's operator, and the schema of that resource.

use std::{
    env, fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::rules::{ALERTS, RECORDING, folder, yaml};
use crate::tools::node;

const RENDERED: &str = "prometheusrule.yaml";
/// Set to `1`, the file is written rather than compared.
const WRITE: &str = "ENFORCER_WRITE";

const HEAD: &str = "\
# The rules of alerts.yaml and recording.yaml for Prometheus's operator, rendered by
#     ENFORCER_WRITE=1 cargo xtask test --tier deploy prometheusrule
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: enforcer
  labels:
    app.kubernetes.io/name: enforcer
    app.kubernetes.io/component: alerts
    app.kubernetes.io/part-of: enforcer
spec:
  groups:
";

/// Reads a resource from its input and complains where it is not as the schema wants it.
const VALIDATE: &str = "\
import { PrometheusRule } from \
  '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
let text = '';
for await (const part of process.stdin) text += part;
new PrometheusRule(JSON.parse(text)).validate();
";

/// The resource, made of the groups of both files as they are written.
fn render() -> String {
    let mut text = HEAD.to_owned();
    for file in [ALERTS, RECORDING] {
        let file = fs::read_to_string(folder().join(file)).unwrap();
        let (_, groups) = file.split_once("\ngroups:\n").expect("groups");
        for line in groups.lines() {
            let indent = if line.is_empty() { "" } else { "  " };
            text.extend([indent, line, "\n"]);
        }
    }
    text
}

fn validate(resource: &Value) -> Output {
    let mut command = Command::new("node");
    // What a module without a file imports is looked for from the working directory on.
    command.args(["--input-type=module", "--eval", VALIDATE]).current_dir(node());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("node starts");
    child.stdin.take().unwrap().write_all(resource.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_prometheusrule_is_rendered_from_the_rules_and_has_the_same_groups() {
    let path = folder().join(RENDERED);
    if env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(&path, render()).unwrap();
    }

    assert_eq!(fs::read_to_string(&path).unwrap(), render(), "render it with {WRITE}=1");
    let groups = |file: &str| yaml(&folder().join(file))["groups"].as_array().unwrap().clone();
    let expected: Vec<Value> = [ALERTS, RECORDING].into_iter().flat_map(groups).collect();
    assert_eq!(yaml(&path)["spec"]["groups"], Value::Array(expected));
}

#[test]
fn the_prometheusrule_is_as_its_schema_wants_it_and_a_faulty_one_is_not() {
    let resource = yaml(&folder().join(RENDERED));
    let done = validate(&resource);
    assert!(done.status.success(), "{done:?}");

    let faults = [
        ("/spec/groups/0/rules/0/for", json!("five minutes")),
        ("/spec/groups/0/rules/0/expr", Value::Null),
        ("/spec/groups/0/name", json!(1)),
        ("/kind", json!("PrometheusRules")),
    ];
    for (place, fault) in faults {
        let mut faulty = resource.clone();
        *faulty.pointer_mut(place).unwrap() = fault;
        let done = validate(&faulty);
        assert!(!done.status.success(), "{place}: {done:?}");
    }
}
