//! The schemas of Kubernetes' own kinds, and of the Prometheus operator's `PodMonitor`.

use std::{path::Path, process::Command};

use serde::Deserialize;
use serde_json::{Value, json};

use super::manifest::{BASE, OVERLAYS, ask, set};
use crate::tools::{node, python};

/// The first that has `appArmorProfile`.
const OLDEST: &str = "1.30";
/// The overlay for older ones, and the oldest that it is for.
const BEFORE: (&str, &str) = ("before-1.30", "1.28");
/// What has its schema from elsewhere.
const MONITORING: &str = "monitoring.coreos.com/v1";

/// What the checker says of documents.
#[derive(Debug, Deserialize)]
pub(crate) struct Validated {
    versions: Vec<String>,
    pub(crate) offences: Vec<String>,
}

/// What the schemas of every version that is supported have against objects, and that of a
/// `PodMonitor`.
pub(crate) fn offences(objects: &[Value]) -> Vec<String> {
    let mut offences = validate(objects, OLDEST).offences;
    offences.extend(monitor_offences(objects));
    offences
}

fn validate(objects: &[Value], oldest: &str) -> Validated {
    let builtin = objects.iter().filter(|object| object["apiVersion"] != MONITORING);
    let documents = serde_json::to_string(&builtin.collect::<Vec<_>>()).unwrap();
    let mut command = python("python");
    command.arg(script("validate.py")).arg(oldest);
    serde_json::from_str(&ask(&mut command, &documents)).unwrap()
}

fn monitor_offences(objects: &[Value]) -> Vec<String> {
    let monitors = objects.iter().filter(|object| object["apiVersion"] == MONITORING);
    let documents = serde_json::to_string(&monitors.collect::<Vec<_>>()).unwrap();
    let mut command = Command::new("node");
    command.arg(script("monitors.mjs")).arg(node());
    serde_json::from_str(&ask(&mut command, &documents)).unwrap()
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes").join(name)
}

/// Each different object once: most overlays have the same ones.
fn every_object() -> Vec<Value> {
    let overlays = OVERLAYS.iter().filter(|(name, _)| *name != BEFORE.0);
    let mut all: Vec<Value> = Vec::new();
    for object in overlays.flat_map(|(_, objects)| objects).chain(BASE.iter()) {
        if !all.contains(object) {
            all.push(object.clone());
        }
    }
    all
}

#[test]
fn every_object_is_one_to_every_version_of_kubernetes_that_is_supported() {
    let objects = every_object();
    let Validated { versions, offences } = validate(&objects, OLDEST);
    println!("{} different objects, Kubernetes {}", objects.len(), versions.join(" "));

    assert_eq!(offences, Vec::<String>::new());
    assert_eq!(versions.first().map(String::as_str), Some(OLDEST));
    assert!(versions.len() >= 8, "{versions:?}");
}

#[test]
fn older_versions_of_kubernetes_have_an_overlay() {
    let Validated { versions, offences } = validate(&OVERLAYS[BEFORE.0], BEFORE.1);

    assert_eq!(offences, Vec::<String>::new());
    assert_eq!(versions.first().map(String::as_str), Some(BEFORE.1));
    // The field that the overlay replaces is all that the others have against them.
    let offences = validate(&every_object(), BEFORE.1).offences;
    assert!(!offences.is_empty());
    assert!(offences.iter().all(|offence| offence.contains("'appArmorProfile'")), "{offences:?}");
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let mut objects = BASE.clone();
    let set_of_pods = objects.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
    set(set_of_pods, "/spec/template/spec/hostNetworks", json!(true));

    let offences = offences(&objects);
    assert!(offences.iter().any(|offence| offence.contains("hostNetworks")), "{offences:?}");
}

#[test]
fn a_pod_monitor_is_one_to_the_prometheus_operator() {
    let objects = &OVERLAYS["metrics-podmonitor"];
    assert!(objects.iter().any(|object| object["kind"] == "PodMonitor"));

    assert_eq!(monitor_offences(objects), Vec::<String>::new());
}

#[test]
fn a_pod_monitor_with_an_interval_in_words_is_found() {
    let mut objects = OVERLAYS["metrics-podmonitor"].clone();
    let monitor = objects.iter_mut().find(|object| object["kind"] == "PodMonitor").unwrap();
    set(monitor, "/spec/podMetricsEndpoints/0/interval", json!("30 seconds"));

    let offences = monitor_offences(&objects);
    assert!(offences.len() == 1 && offences[0].contains("interval"), "{offences:?}");
}
