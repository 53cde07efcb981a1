//! Who a rule is for: units, containers and pods by the paths that managers and runtimes make.
//!
//! The rig's cgroups are slices, below which the names mean what they mean at the root.

use std::time::Duration;

use enforcer_tests::{Cgroup, Probe, Rig, pods::Pods, require_privilege, wait};

use crate::world::{PATIENCE, PLAIN, ip, policy};

const ID: &str = "3f4e9a0b1c2d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";
const UID: &str = "2f4a0c1e-8d7b-4c39-9a51-6b0e3d2f7a18";
const OTHER: &str = "aaaaaaaa-8d7b-4c39-9a51-6b0e3d2f7a18";

/// Whether a datagram of a cgroup is let go.
fn passes(rig: &Rig, cgroup: &Cgroup, to: &str) -> bool {
    // Whether somebody answers does not count.
    let probe = Probe::udp(ip(to), 443).patience(Duration::from_millis(1));
    !rig.probe_in(cgroup, &probe).unwrap().is_refused_at_once()
}

fn pod_name(uid: &str) -> String {
    format!("workload-kubepods-pod{}.slice", uid.replace('-', "_"))
}

#[test]
fn rules_are_for_the_units_containers_and_pods_that_they_name_and_for_no_others() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let rule = |name: &str, from: &str, to: &str| {
        format!("{{name: {name}, from: [{{{from}}}], to: [{{cidr: {to}}}], ports: [udp/443]}}")
    };
    let short = &ID[..12];
    let odd = "odd \"name\" é";
    let rules = [
        rule("unit", "unit: ci.service", "198.18.0.1"),
        rule("instances", "unit: ci@*.service", "198.18.0.2"),
        rule("container", &format!("container: {short}"), "198.18.0.3"),
        rule("pod", &format!("pod: {UID}"), "198.18.0.4"),
        rule("pods", "pod: any", "198.18.0.5"),
        rule("odd", &format!("cgroup: '{}/{odd}'", rig.workload.policy_path()), "198.18.0.6"),
    ];
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let unit = rig.workload.child("ci.service").unwrap();
    let within = unit.child("worker").unwrap();
    // Whoever has a cgroup delegated can give those below any name.
    let pretended = unit.child("workload-kubepods.slice").unwrap();
    let pretended_pod = pretended.child(&pod_name(UID)).unwrap();
    let instance = rig.workload.child("ci@7.service").unwrap();
    let docker = rig.workload.child(&format!("docker-{ID}.scope")).unwrap();
    let odd = rig.workload.child(odd).unwrap();
    let kubepods = rig.workload.child("workload-kubepods.slice").unwrap();
    let pod = kubepods.child(&pod_name(UID)).unwrap();
    let container = pod.child(&format!("cri-containerd-{ID}.scope")).unwrap();
    let other = kubepods.child(&pod_name(OTHER)).unwrap();
    let cases: [(&str, &Cgroup, &[u8]); 10] = [
        ("the unit", &unit, &[1]),
        ("below the unit", &within, &[1]),
        ("a pod that is none", &pretended_pod, &[1]),
        ("an instance", &instance, &[2]),
        ("a container", &docker, &[3]),
        ("a container of a pod", &container, &[3, 4, 5]),
        ("the pod", &pod, &[4, 5]),
        ("another pod", &other, &[5]),
        ("an odd name", &odd, &[6]),
        ("nobody", &rig.workload, &[]),
    ];
    for (label, cgroup, _) in &cases {
        assert!(passes(&rig, cgroup, "198.18.0.1"), "without enforcer: {label}");
    }

    let _agent = rig.agent(&policy(PLAIN, &rules)).unwrap();

    for (label, cgroup, open) in &cases {
        for last in 1..=6 {
            let is_open = passes(&rig, cgroup, &format!("198.18.0.{last}"));
            assert_eq!(is_open, open.contains(&last), "{label} to 198.18.0.{last}");
        }
    }
}

#[test]
fn a_pod_that_comes_while_the_agent_is_stopped_has_the_rules_of_every_pod() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let kubepods = rig.workload.child("workload-kubepods.slice").unwrap();
    let own = format!(
        "{{name: own, from: [{{pod: {UID}}}], to: [{{cidr: 198.18.0.4}}], ports: [udp/443]}}"
    );
    let every = "{name: every, from: [{pod: any}], to: [{cidr: 198.18.0.5}], ports: [udp/443]}";
    let agent = rig.agent(&policy(PLAIN, &[&own, every])).unwrap();
    agent.stop().unwrap();

    let pod = kubepods.child(&pod_name(UID)).unwrap();

    assert!(passes(&rig, &pod, "198.18.0.5"));
    // Nobody could say yet whose cgroup it is.
    assert!(!passes(&rig, &pod, "198.18.0.4"));
    agent.signal(nix::sys::signal::Signal::SIGCONT).unwrap();
    wait::until_true("the pod's own rule", PATIENCE, || passes(&rig, &pod, "198.18.0.4")).unwrap();
}

/// `cargo xtask test pods` is the long form, which measures.
#[test]
fn pods_that_come_and_go_are_judged_by_their_own_rules() {
    require_privilege!();
    let outcome = Pods { pods: 60, per_second: 50, wait: 20 }.run().unwrap();

    // How soon is not asked here: a machine that tests many things at once may take its time.
    let found = &outcome.enforced;
    assert_eq!((found.pods, found.never, found.reached), (60, 0, 0), "{outcome}");
    let control = &outcome.control;
    assert_eq!((control.refused_at_once, control.refused_later), (0, 0), "{outcome}");
    assert_eq!(control.reached, control.pods, "{outcome}");
}
