//! What each overlay promises by its name.

use std::fs;

use serde_json::{Value, json};

use super::{
    manifest::{BASE, OVERLAYS, agent, folder, kustomize, only, pod, policy},
    program, rules,
};

/// Those that differ from the base in their policy, and in nothing that a pod is made of.
const POLICIES: [&str; 5] = ["aks", "audit", "eks", "enforce", "gke"];

#[test]
fn every_overlay_keeps_every_rule() {
    assert!(OVERLAYS.len() >= 11, "{:?}", OVERLAYS.keys());
    for (name, objects) in OVERLAYS.iter() {
        assert_eq!(rules::offences(objects), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_file_to_install_is_what_the_base_renders_to() {
    let installed = fs::read_to_string(folder().join("install.yaml")).unwrap();

    let how = "kubectl kustomize deploy/kubernetes/base > deploy/kubernetes/install.yaml";
    assert!(installed == kustomize("base"), "it is out of date: {how}");
}

#[test]
fn nothing_but_the_overlay_that_says_so_drops_a_packet() {
    for (name, objects) in OVERLAYS.iter() {
        let mode = if name == "enforce" { "in mode enforce" } else { "in mode audit" };

        let checked = program::checked(objects);
        assert!(checked.contains(mode), "{name}: {checked}");
    }
}

#[test]
fn the_policy_that_enforces_is_the_one_that_was_audited() {
    let settings = |objects: &[Value]| {
        let (_, text) = policy(objects).unwrap();
        let from = text.find("apiVersion:").unwrap();
        text[from..].replace("mode: enforce", "mode: audit")
    };

    assert_eq!(settings(&OVERLAYS["enforce"]), settings(&BASE));
}

#[test]
fn a_policy_of_a_platform_has_its_preset() {
    for name in ["aks", "eks", "gke"] {
        let (_, text) = policy(&OVERLAYS[name]).unwrap();

        assert!(text.contains(&format!("- {{name: {name}")), "{text}");
    }
}

#[test]
fn another_policy_replaces_no_pod() {
    let template = |objects| only(objects, "DaemonSet")["spec"].clone();
    for name in POLICIES {
        assert_eq!(template(&OVERLAYS[name]), template(&BASE), "{name}");
        assert_eq!(only(&OVERLAYS[name], "ConfigMap")["metadata"]["name"], "enforcer-policy");
    }
}

#[test]
fn the_namespace_admits_what_the_pods_need() {
    let labels = &only(&BASE, "Namespace")["metadata"]["labels"];

    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "privileged", "{mode}");
    }
}

#[test]
fn gke_has_a_quota_for_the_priority_of_the_pods() {
    let objects = &OVERLAYS["gke"];
    let scopes = &only(objects, "ResourceQuota")["spec"]["scopeSelector"]["matchExpressions"];

    assert_eq!(scopes[0]["scopeName"], "PriorityClass");
    assert_eq!(scopes[0]["values"], json!([pod(objects)["priorityClassName"]]));
}

#[test]
fn each_confinement_is_lifted_by_its_overlay_and_by_no_other() {
    for (name, objects) in OVERLAYS.iter() {
        let context = &agent(objects)["securityContext"];
        let seccomp = if name == "seccomp-unconfined" { "Unconfined" } else { "RuntimeDefault" };
        let selinux = if name == "selinux" { json!("spc_t") } else { Value::Null };

        assert_eq!(context["seccompProfile"]["type"], seccomp, "{name}");
        assert_eq!(context["seLinuxOptions"]["type"], selinux, "{name}");
        assert_eq!(pod(objects)["initContainers"].is_array(), name == "bpffs-init", "{name}");
    }
}
