//! The job for clusters, with pods that are made up: Debian's Prometheus is built without the
//! discovery of pods, and knows what follows it.

use std::{collections::BTreeMap, fs, process::Command};

use enforcer_tests::scratch::Scratch;
use serde_json::Value;

use super::rules::folder;
use crate::tools::output;

/// What the file asks Kubernetes for.
const DISCOVERY: &str = "    kubernetes_sd_configs:
      - role: pod
        namespaces:
          names: [enforcer-system]
";

/// A pod's address, the name of its program, of its port and of its node.
const PODS: [[&str; 4]; 3] = [
    ["10.0.0.7:9469", "enforcer", "metrics", "n7"],
    ["10.0.0.7:9470", "enforcer", "other", "n7"],
    ["10.0.0.8:9469", "stranger", "metrics", "n8"],
];

#[test]
fn the_job_for_clusters_keeps_the_agents_and_names_their_nodes() {
    let shipped = fs::read_to_string(folder().join("kubernetes.yaml")).unwrap();
    let pods = PODS.map(|[address, program, port, node]| {
        format!(
            "      - targets: ['{address}']\n        labels:\n          \
             __meta_kubernetes_pod_label_app_kubernetes_io_name: {program}\n          \
             __meta_kubernetes_pod_container_port_name: {port}\n          \
             __meta_kubernetes_pod_node_name: {node}\n"
        )
    });
    let made_up = format!("    static_configs:\n{}", pods.concat());
    let configuration = shipped.replace(DISCOVERY, &made_up);
    assert_ne!(configuration, shipped, "it asks for something else");
    let scratch = Scratch::make().unwrap();
    let file = scratch.write("kubernetes.yaml", &configuration).unwrap();
    let mut promtool = Command::new("promtool");
    // It uses all of the time that it is given, and finds what stands in the file at once.
    promtool.args(["check", "service-discovery", "--timeout=1s"]).arg(file).arg("enforcer");

    let found: Vec<Value> = serde_json::from_str(&output(&mut promtool)).unwrap();

    let node = |pod: &Value| {
        let address = pod["discoveredLabels"]["__address__"].as_str().unwrap().to_owned();
        (address, pod["labels"]["node"].as_str().map(str::to_owned))
    };
    let nodes: BTreeMap<String, Option<String>> = found.iter().map(node).collect();
    let kept = |[address, program, port, node]: [&str; 4]| {
        let is_agent = program == "enforcer" && port == "metrics";
        (address.to_owned(), is_agent.then(|| node.to_owned()))
    };
    assert_eq!(nodes, PODS.map(kept).into());
}
