//! Rules of what names what: labels, ports, probes, volumes, the policy.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::manifest::{agent, list, only, option, pod, policy as found, text};

const SELECTED: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/name"];
const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];
/// How long a name may be that a Service or a `PodMonitor` calls a port by (RFC 6335, 5.1).
const LONGEST_PORT_NAME: usize = 15;
const LOOPBACK: &str = "127.0.0.1";
/// Where the agent listens unless it is told otherwise.
const DEFAULT_METRICS: &str = "127.0.0.1:9469";

pub(super) fn selector(objects: &[Value]) -> Vec<String> {
    let selector = &only(objects, "DaemonSet")["spec"]["selector"]["matchLabels"];
    let labels = selector.as_object().into_iter().flatten().map(|(label, _)| label.as_str());
    let labels: Vec<&str> = labels.collect();
    if labels == SELECTED { Vec::new() } else { vec![format!("{labels:?}")] }
}

pub(super) fn labels(objects: &[Value]) -> Vec<String> {
    let template = &only(objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
    let selecting = objects.iter().filter(|object| object["spec"]["selector"].is_object());
    let wanted = selecting.flat_map(|object| {
        let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
        labels.map(|(label, value)| (text(&object["kind"]), label, value))
    });
    let missing = wanted.filter(|(_, label, value)| template[label.as_str()] != **value);
    missing.map(|(kind, label, value)| format!("{kind} asks for {label}={value}")).collect()
}

pub(super) fn namespace(objects: &[Value]) -> Vec<String> {
    let home = &only(objects, "DaemonSet")["metadata"]["namespace"];
    let elsewhere = objects.iter().filter(|object| {
        let is_itself = object["kind"] == "Namespace";
        let place = &object["metadata"][if is_itself { "name" } else { "namespace" }];
        place != home || home.is_null()
    });
    elsewhere.map(|object| format!("{} is not", text(&object["kind"]))).collect()
}

pub(super) fn ports(objects: &[Value]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let ports = list(&pod(objects)["containers"]).iter().flat_map(|one| list(&one["ports"]));
    let names = ports.map(|port| text(&port["name"]));
    let unfit = names
        .filter(|name| name.is_empty() || name.len() > LONGEST_PORT_NAME || !taken.insert(*name));
    unfit.map(|name| format!("{name:?}")).collect()
}

pub(super) fn probed_ports(objects: &[Value]) -> Vec<String> {
    let agent = agent(objects);
    let names: Vec<&Value> = list(&agent["ports"]).iter().map(|port| &port["name"]).collect();
    let probed = PROBES.map(|probe| (probe, &agent[probe]["httpGet"]["port"]));
    let missing = probed.iter().filter(|(_, port)| !names.contains(port));
    missing.map(|(probe, port)| format!("{probe} asks {port}")).collect()
}

pub(super) fn probed_addresses(objects: &[Value]) -> Vec<String> {
    let metrics = option(objects, "--metrics").unwrap_or(DEFAULT_METRICS);
    let (address, _) = metrics.rsplit_once(':').unwrap_or((metrics, ""));
    // Without a host the kubelet asks the pod's address, which is the node's.
    let expected = match address {
        LOOPBACK => Some(LOOPBACK),
        "$(NODE_IP)" | "[$(NODE_IP)]" => None,
        _ => return vec![format!("{metrics} is neither loopback nor the node")],
    };
    let asked = PROBES.map(|probe| (probe, agent(objects)[probe]["httpGet"]["host"].as_str()));
    let astray = asked.iter().filter(|(_, host)| *host != expected);
    astray.map(|(probe, host)| format!("{probe} asks {host:?}, not {expected:?}")).collect()
}

pub(super) fn metrics_port(objects: &[Value]) -> Vec<String> {
    let metrics = option(objects, "--metrics").unwrap_or(DEFAULT_METRICS);
    let (_, told) = metrics.rsplit_once(':').unwrap_or_default();
    let named = list(&agent(objects)["ports"]).iter().filter(|port| port["name"] == "metrics");
    let named = named.map(|port| port["containerPort"].to_string());
    let template = &only(objects, "DaemonSet")["spec"]["template"]["metadata"];
    let annotated = template["annotations"]["prometheus.io/port"].as_str().map(str::to_owned);
    let others = named.chain(annotated).filter(|port| port != told);
    others.map(|port| format!("{port}, not {told}")).collect()
}

pub(super) fn volumes(objects: &[Value]) -> Vec<String> {
    let pod = pod(objects);
    let containers = list(&pod["containers"]).iter().chain(list(&pod["initContainers"]));
    let mounts = containers.flat_map(|container| list(&container["volumeMounts"]));
    let mounted: BTreeSet<&str> = mounts.map(|mount| text(&mount["name"])).collect();
    let there: BTreeSet<&str> =
        list(&pod["volumes"]).iter().map(|volume| text(&volume["name"])).collect();
    mounted.symmetric_difference(&there).map(|name| (*name).to_owned()).collect()
}

pub(super) fn policy(objects: &[Value]) -> Vec<String> {
    let mut offences = Vec::new();
    if found(objects).is_none() {
        offences.push("--policy leads to no key of one".to_owned());
    }
    // A subPath is a file of its own, which no change of the ConfigMap comes to.
    let mounts = list(&agent(objects)["volumeMounts"]).iter();
    let parts = mounts.filter(|mount| !mount["subPath"].is_null());
    offences.extend(parts.map(|mount| format!("{} has a subPath", text(&mount["name"]))));
    offences
}

pub(super) fn variables(objects: &[Value]) -> Vec<String> {
    let agent = agent(objects);
    let set: Vec<&str> = list(&agent["env"]).iter().map(|one| text(&one["name"])).collect();
    let arguments = list(&agent["args"]).iter().map(text);
    let named = arguments.flat_map(|argument| argument.split("$(").skip(1));
    let named = named.map(|rest| rest.split(')').next().unwrap_or_default());
    named.filter(|name| !set.contains(name)).map(str::to_owned).collect()
}
