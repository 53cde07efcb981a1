//! Manifests that break a rule, each in one place: every rule finds its own.

use serde_json::{Value, json};

use super::RULES;
use crate::kubernetes::manifest::{BASE, OVERLAYS, set};

/// An overlay; where its `DaemonSet` is changed (`P`: the pod, `A`: the agent's container); to
/// what; and how the rule that finds it begins.
const BROKEN: [(&str, &str, &str, &str); 27] = [
    ("audit", "/spec/selector/matchLabels/tier", r#""node""#, "a selector is"),
    ("audit", "/spec/selector/matchLabels/app.kubernetes.io~1name", r#""x""#, "pods have"),
    (
        "metrics-podmonitor",
        "/spec/template/metadata/labels/app.kubernetes.io~1name",
        "null",
        "pods have",
    ),
    ("audit", "/metadata/namespace", r#""default""#, "everything is in"),
    ("audit", "A/ports/0/name", r#""metrics-and-health""#, "ports have"),
    ("audit", "A/ports/-", r#"{"name": "metrics", "containerPort": 9469}"#, "ports have"),
    ("audit", "A/readinessProbe/httpGet/port", r#""health""#, "probes ask"),
    ("audit", "A/livenessProbe/httpGet/host", "null", "probes go"),
    ("metrics-annotations", "A/startupProbe/httpGet/host", r#""127.0.0.1""#, "probes go"),
    ("audit", "A/args/-", r#""--metrics=0.0.0.0:9469""#, "probes go"),
    ("audit", "A/ports/0/containerPort", "9090", "the port of"),
    (
        "metrics-annotations",
        "/spec/template/metadata/annotations/prometheus.io~1port",
        r#""9090""#,
        "the port of",
    ),
    ("audit", "P/volumes/0", "null", "a mount has"),
    ("audit", "P/volumes/-", r#"{"name": "spare", "emptyDir": {}}"#, "a mount has"),
    ("audit", "A/args/1", r#""--policy=/etc/enforcer/node.yaml""#, "the policy is"),
    ("audit", "A/volumeMounts/0/subPath", r#""policy.yaml""#, "the policy is"),
    ("metrics-annotations", "A/env", "[]", "a variable"),
    ("audit", "A/securityContext/privileged", "true", "only the container"),
    ("audit", "A/securityContext/allowPrivilegeEscalation", "true", "only the container"),
    ("audit", "A/volumeMounts/1/mountPropagation", r#""Bidirectional""#, "only the container"),
    ("bpffs-init", "P/initContainers/0/name", r#""other""#, "only the container"),
    ("audit", "A/securityContext/capabilities/add/-", r#""SYS_ADMIN""#, "the agent has"),
    ("audit", "A/securityContext/capabilities/drop", "[]", "the agent has"),
    ("audit", "A/volumeMounts/2/readOnly", "null", "the agent writes"),
    ("audit", "A/securityContext/readOnlyRootFilesystem", "false", "the agent writes"),
    ("audit", "P/hostNetwork", "null", "the pod is"),
    ("audit", "P/automountServiceAccountToken", "null", "the pod is"),
];

#[test]
fn every_broken_manifest_is_found_by_its_rule() {
    for (overlay, place, new, rule) in BROKEN {
        let mut objects = OVERLAYS[overlay].clone();
        let broken = objects.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
        let pointer = match place.split_at(1) {
            ("P", rest) => format!("/spec/template/spec{rest}"),
            ("A", rest) => format!("/spec/template/spec/containers/0{rest}"),
            _ => place.to_owned(),
        };
        let new: Value = serde_json::from_str(new).unwrap();
        set(broken, &pointer, new);

        let offences = super::offences(&objects);
        let is_found = offences.iter().any(|offence| offence.starts_with(rule));
        assert!(is_found, "{overlay}, {place}: {offences:?}");
    }
}

#[test]
fn every_rule_has_a_manifest_that_breaks_it() {
    let sentences = RULES.iter().map(|(sentence, _)| *sentence);
    let unbroken = sentences.filter(|rule| !BROKEN.iter().any(|case| rule.starts_with(case.3)));

    assert_eq!(unbroken.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_policy_that_is_not_in_the_config_map_is_found() {
    let mut objects = BASE.clone();
    let map = objects.iter_mut().find(|object| object["kind"] == "ConfigMap").unwrap();
    set(map, "/data", json!({"policy.yml": "spec: {}"}));

    let offences = super::offences(&objects);
    assert!(offences.iter().any(|offence| offence.starts_with("the policy is")), "{offences:?}");
}
