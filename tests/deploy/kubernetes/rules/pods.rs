//! Rules of what a pod may do.

use serde_json::{Value, json};

use crate::kubernetes::manifest::{agent, list, pod, text};

/// The init container of components/bpffs-init.
const MOUNTER: &str = "bpffs";

pub(super) fn privileged(objects: &[Value]) -> Vec<String> {
    let pod = pod(objects);
    let containers = list(&pod["containers"]).iter().map(|one| (one, false));
    let before = list(&pod["initContainers"]).iter().map(|one| (one, one["name"] == MOUNTER));
    let privileged = containers.chain(before).filter(|(container, may_be)| {
        let context = &container["securityContext"];
        let is = context["privileged"] == true || context["allowPrivilegeEscalation"] == true;
        // What is handed to the host is handed by a privileged container.
        let mut mounts = list(&container["volumeMounts"]).iter();
        let hands = mounts.any(|mount| mount["mountPropagation"] == "Bidirectional");
        (is || hands) && !may_be
    });
    privileged.map(|(container, _)| text(&container["name"]).to_owned()).collect()
}

pub(super) fn capabilities(objects: &[Value]) -> Vec<String> {
    let capabilities = &agent(objects)["securityContext"]["capabilities"];
    let expected = json!({"add": ["BPF", "NET_ADMIN", "PERFMON"], "drop": ["ALL"]});
    if *capabilities == expected { Vec::new() } else { vec![capabilities.to_string()] }
}

pub(super) fn writable(objects: &[Value]) -> Vec<String> {
    let agent = agent(objects);
    let mounts = list(&agent["volumeMounts"]).iter();
    let writable = mounts.filter(|mount| mount["readOnly"] != true && mount["name"] != "bpffs");
    let mut offences: Vec<String> = writable.map(|mount| text(&mount["name"]).to_owned()).collect();
    if agent["securityContext"]["readOnlyRootFilesystem"] != true {
        offences.push("the root file system".to_owned());
    }
    offences
}

pub(super) fn host(objects: &[Value]) -> Vec<String> {
    let expected = [
        ("hostNetwork", json!(true)),
        ("hostUsers", json!(true)),
        ("dnsPolicy", json!("Default")),
        ("automountServiceAccountToken", json!(false)),
        ("enableServiceLinks", json!(false)),
    ];
    let pod = pod(objects);
    let others = expected.iter().filter(|(key, value)| pod[*key] != *value);
    others.map(|(key, value)| format!("{key} is {}, not {value}", pod[*key])).collect()
}
