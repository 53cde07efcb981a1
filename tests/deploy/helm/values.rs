//! Values of the chart: which are taken, and which are refused.

use serde_json::{Value, json};

use super::chart::render;
use crate::kubernetes::{
    manifest::{agent, arguments, only},
    program, rules, schema,
};

#[test]
fn a_chart_with_everything_in_it_keeps_every_rule() {
    let everything = json!({
        "onStart": "deny",
        "extraArgs": ["--tc=eth0,eth1", "--max-addresses=65536"],
        "image": {"digest": format!("sha256:{}", "0".repeat(64)), "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "metrics": {"mode": "podMonitor", "port": 9500, "podMonitor": {"labels": {"team": "net"}}},
        "bpffsInit": {"enabled": true},
        "seLinuxType": "spc_t",
        "seccompProfile": "Unconfined",
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "priorityClassName": "system-cluster-critical",
        "resourceQuota": {"enabled": true, "pods": "100"},
        "nodeSelector": {"pool": "ci"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}],
        }}},
        "tolerations": [{"key": "ci", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
        "maxUnavailable": 2,
        "podAnnotations": {"example.com/owner": "net"},
        "podLabels": {"example.com/team": "net"},
    });
    let objects = render(&everything).unwrap().objects;

    assert_eq!(rules::offences(&objects), Vec::<String>::new());
    assert_eq!(schema::offences(&objects), Vec::<String>::new());
    assert_eq!(program::offences(&objects), Vec::<String>::new());
    let arguments = arguments(&objects);
    for argument in ["--on-start=deny", "--tc=eth0,eth1", "--metrics=192.0.2.1:9500"] {
        assert!(arguments.iter().any(|one| one == argument), "{argument}: {arguments:?}");
    }
    let image = agent(&objects)["image"].as_str().unwrap();
    assert!(image.starts_with("ghcr.io/enforcer-dev/enforcer@sha256:"), "{image}");
}

#[test]
fn an_address_of_ipv6_is_written_in_brackets() {
    let values = json!({"metrics": {"mode": "annotations", "ipFamily": "IPv6"}});
    let objects = render(&values).unwrap().objects;

    let written = agent(&objects)["args"].to_string();
    assert!(written.contains("--metrics=[$(NODE_IP)]:9469"), "{written}");
    assert_eq!(rules::offences(&objects), Vec::<String>::new());
}

#[test]
fn another_port_is_told_to_the_agent_and_to_the_probes() {
    let objects = render(&json!({"metrics": {"port": 9500}})).unwrap().objects;

    assert!(arguments(&objects).contains(&"--metrics=127.0.0.1:9500".to_owned()));
    assert_eq!(rules::offences(&objects), Vec::<String>::new());
}

#[test]
fn a_config_map_of_somebody_else_is_mounted_and_none_is_made() {
    let objects = render(&json!({"existingConfigMap": "egress"})).unwrap().objects;

    assert!(objects.iter().all(|object| object["kind"] != "ConfigMap"));
    let volumes = &only(&objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[0]["configMap"]["name"], "egress");
}

#[test]
fn another_chart_may_have_this_one_in_it() {
    assert!(render(&json!({"global": {"storageClass": "fast"}})).is_ok());
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_their_place() {
    let refused: [(Value, &str); 16] = [
        (json!({"resource": {}}), "resource"),
        (json!({"image": {"repo": "x"}}), "repo"),
        (json!({"image": {"digest": "sha256:1234"}}), "/image/digest"),
        (json!({"metrics": {"mode": "yes"}}), "/metrics/mode"),
        (json!({"metrics": {"port": 70000}}), "/metrics/port"),
        (json!({"metrics": {"podMonitor": {"interval": "30 seconds"}}}), "/interval"),
        (json!({"bpffsInit": {"enabled": "true"}}), "/bpffsInit/enabled"),
        (json!({"resources": {"limits": {"memory": "128 MB"}}}), "/limits/memory"),
        (json!({"tolerations": [{"operator": "Exist"}]}), "/tolerations/0/operator"),
        (json!({"maxUnavailable": "ten"}), "/maxUnavailable"),
        (json!({"onStart": "closed"}), "/onStart"),
        (json!({"seccompProfile": "Localhost"}), "/seccompProfile"),
        (json!({"policy": {"spec": {}}}), "/policy"),
        (json!({"extraArgs": ["--policy=/etc/x.yaml"]}), "/extraArgs/0"),
        (json!({"extraArgs": ["--detach-on-exit"]}), "/extraArgs/0"),
        (json!({"podLabels": {"app.kubernetes.io/name": "x"}}), "app.kubernetes.io/name"),
    ];
    for (values, place) in refused {
        let why = render(&values).err().unwrap_or_else(|| panic!("{values} is taken"));

        assert!(why.contains(place), "{values}: {why}");
    }
}
