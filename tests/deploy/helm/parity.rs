//! What the chart renders to is what kustomize renders to.

use std::fs;

use serde_json::{Value, json};

use super::chart::{folder, render};
use crate::kubernetes::manifest::{BASE, OVERLAYS, policy, set};

/// The values that stand for an overlay.
fn values(overlay: &str) -> Option<Value> {
    let policy = || policy(&OVERLAYS[overlay]).unwrap().1;
    Some(match overlay {
        "audit" => json!({}),
        "aks" | "eks" | "enforce" => json!({"policy": policy()}),
        "gke" => json!({"policy": policy(), "resourceQuota": {"enabled": true}}),
        "metrics-annotations" => json!({"metrics": {"mode": "annotations"}}),
        "metrics-podmonitor" => json!({"metrics": {"mode": "podMonitor"}}),
        "bpffs-init" => json!({"bpffsInit": {"enabled": true}}),
        "selinux" => json!({"seLinuxType": "spc_t"}),
        "seccomp-unconfined" => json!({"seccompProfile": "Unconfined"}),
        // Helm asks the cluster which version it is.
        "before-1.30" => return None,
        other => panic!("{other} has no values that stand for it"),
    })
}

/// Without what only one of the two has: who made it, and the namespace, which Helm expects to be
/// there.
fn normal(objects: &[Value]) -> Vec<Value> {
    let mut objects: Vec<Value> =
        objects.iter().filter(|object| object["kind"] != "Namespace").cloned().collect();
    for object in &mut objects {
        for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
            if object.pointer(labels).is_some() {
                set(object, &format!("{labels}/helm.sh~1chart"), Value::Null);
                set(object, &format!("{labels}/app.kubernetes.io~1managed-by"), Value::Null);
            }
        }
    }
    objects.sort_by_key(|object| object["kind"].to_string());
    objects
}

#[test]
fn the_chart_without_values_is_the_base() {
    let rendered = render(&json!({})).unwrap().objects;

    assert_eq!(normal(&rendered), normal(&BASE));
}

#[test]
fn every_overlay_has_values_that_stand_for_it() {
    for (name, objects) in OVERLAYS.iter() {
        let Some(values) = values(name) else { continue };
        let rendered = render(&values).unwrap().objects;

        assert_eq!(normal(&rendered), normal(objects), "{name}");
    }
}

#[test]
fn a_chart_that_says_something_else_is_found() {
    let rendered = render(&json!({"maxUnavailable": 1})).unwrap().objects;

    assert_ne!(normal(&rendered), normal(&BASE));
}

#[test]
fn the_policy_in_the_chart_is_that_of_the_base() {
    let text = fs::read_to_string(folder().join("files/policy.yaml")).unwrap();

    assert_eq!(Some(text.as_str()), policy(&BASE).map(|(_, text)| text));
}
