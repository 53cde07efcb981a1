//! What every manifest keeps, and no schema says.

mod broken;
mod pods;
mod wiring;

use serde_json::Value;

/// From the objects that are applied together to what is wrong with them.
type Rule = fn(&[Value]) -> Vec<String>;

/// Every rule, by the sentence that it enforces.
const RULES: [(&str, Rule); 14] = [
    ("a selector is the two labels that never change", wiring::selector),
    ("pods have the labels that select them", wiring::labels),
    ("everything is in the namespace of the pods", wiring::namespace),
    ("ports have names of their own that fit", wiring::ports),
    ("probes ask a port that there is", wiring::probed_ports),
    ("probes go where the agent listens", wiring::probed_addresses),
    ("the port of the metrics is the one that is told", wiring::metrics_port),
    ("a mount has a volume, and a volume a mount", wiring::volumes),
    ("the policy is in a ConfigMap that is mounted whole", wiring::policy),
    ("a variable in an argument is set", wiring::variables),
    ("only the container that mounts bpffs is privileged", pods::privileged),
    ("the agent has BPF, NET_ADMIN and PERFMON and nothing else", pods::capabilities),
    ("the agent writes to its pins alone", pods::writable),
    ("the pod is the node's, and speaks with no API server", pods::host),
];

/// What is wrong with objects that are applied together.
pub(crate) fn offences(objects: &[Value]) -> Vec<String> {
    let all = RULES.iter().flat_map(|(sentence, rule)| {
        rule(objects).into_iter().map(move |offence| format!("{sentence}: {offence}"))
    });
    all.collect()
}
