//! The agent, started with what the manifest gives a pod and nothing more: its arguments, its
//! capabilities, a read-only root, the host's folders in their places, a mounted `ConfigMap`.
//!
//! What it does not have is the runtime's filter of system calls, and the limit of memory.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use enforcer_tests::{NameServer, Peer, Probe, Rig, Zone, binary, require_privilege, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::manifest::{BASE, agent, arguments, list, pod, policy, text};
use crate::tools::root;

/// Where the probes go.
const SERVED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9469);
const RESOLVER: &str = "203.0.113.53";
/// How long a change may take to be followed.
const PATIENCE: Duration = Duration::from_secs(15);
/// In a range that the base's policy names, and in none.
const ALLOWED: &str = "10.1.2.3";
const DENIED: &str = "198.18.0.3";

/// A node: its network, its folders, and the volume of the `ConfigMap` as the kubelet lays it out.
struct Node {
    rig: Rig,
    volume: PathBuf,
    _name_server: NameServer,
}

impl Node {
    fn make() -> Self {
        let rig = Rig::make().unwrap();
        let server = SocketAddr::new(RESOLVER.parse().unwrap(), 53);
        let name_server = NameServer::start(&rig.world, [server], Zone::new()).unwrap();
        rig.scratch().write("resolv.conf", &format!("nameserver {RESOLVER}\n")).unwrap();
        let volume = rig.scratch().path().join("volume");
        fs::create_dir(&volume).unwrap();
        let node = Self { rig, volume, _name_server: name_server };
        let (key, text) = policy(&BASE).unwrap();
        node.publish("..1", key, text);
        symlink(format!("..data/{key}"), node.volume.join(key)).unwrap();
        node
    }

    /// Puts another text in the place of the policy, as the kubelet does: by a link that is swapped.
    fn publish(&self, version: &str, key: &str, text: &str) {
        fs::create_dir(self.volume.join(version)).unwrap();
        fs::write(self.volume.join(version).join(key), text).unwrap();
        symlink(version, self.volume.join("..data_tmp")).unwrap();
        fs::rename(self.volume.join("..data_tmp"), self.volume.join("..data")).unwrap();
    }

    fn start(&self, capabilities: &str) -> Container {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(root().join("tests/deploy/kubernetes/pod.sh"));
        command.arg(self.rig.workload.path()).arg(self.rig.pins().parent().unwrap());
        command.arg(&self.volume).arg(self.rig.scratch().path().join("resolv.conf"));
        command.arg(capabilities).arg(binary::enforcer().unwrap()).args(arguments(&BASE));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Container(self.rig.client.spawn(&mut command).unwrap())
    }

    /// What a path of the agent's address answers with; `None`: nobody does.
    fn get(&self, path: &str) -> Option<String> {
        let answer = self.rig.client.run(|| {
            let mut stream = TcpStream::connect(SERVED)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let head = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        answer.ok()
    }

    /// Whether a probe of the manifest would pass.
    fn passes(&self, probe: &str) -> bool {
        let path = text(&agent(&BASE)[probe]["httpGet"]["path"]);
        self.get(path).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    fn wait_for_metric(&self, line: &str) {
        let has = || self.get("/metrics").is_some_and(|all| all.lines().any(|one| one == line));
        wait::until_true(line, PATIENCE, has).unwrap();
    }

    fn is_reached(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        self.rig.probe(&Probe::tcp(address, 443)).unwrap().is_reached()
    }
}

/// The agent's process; drop kills it.
struct Container(Child);

impl Container {
    /// Waits as long as the startup probe does.
    fn wait_until_started(&mut self, node: &Node) {
        let probe = &agent(&BASE)["startupProbe"];
        let number = |key: &str| probe[key].as_u64().unwrap();
        let patience = Duration::from_secs(number("failureThreshold") * number("periodSeconds"));
        let started = wait::until("the startup probe to pass", patience, || {
            if self.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            node.passes("startupProbe").then_some(true)
        });
        assert!(started.unwrap(), "it has ended: {}", self.log());
    }

    /// Ends as the kubelet ends it, and within the time that it gives.
    fn terminate(&mut self) -> ExitStatus {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), Signal::SIGTERM).unwrap();
        let grace = pod(&BASE)["terminationGracePeriodSeconds"].as_u64().unwrap();
        let ended = || self.0.try_wait().unwrap();
        wait::until("the agent to end", Duration::from_secs(grace), ended).unwrap()
    }

    /// All that it has logged, once it has ended.
    fn log(&mut self) -> String {
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One that has ended is none to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The manifest's capabilities, as setpriv takes them.
fn capabilities() -> String {
    let added: &[Value] = list(&agent(&BASE)["securityContext"]["capabilities"]["add"]);
    let added = added.iter().map(|one| format!("+{}", text(one).to_lowercase()));
    added.collect::<Vec<_>>().join(",")
}

#[test]
fn a_pod_judges_the_node_follows_its_config_map_and_is_taken_over_by_the_next() {
    require_privilege!();
    let node = Node::make();
    let _peer = Peer::tcp(&node.rig.world, 443).unwrap();
    assert!(node.is_reached(DENIED));
    let mut first = node.start(&capabilities());
    first.wait_until_started(&node);

    assert!(node.passes("readinessProbe") && node.passes("livenessProbe"));
    node.wait_for_metric("enforcer_mode{mode=\"audit\"} 1");
    assert!(node.is_reached(ALLOWED) && node.is_reached(DENIED));

    let (key, audited) = policy(&BASE).unwrap();
    node.publish("..2", key, &audited.replace("mode: audit", "mode: enforce"));
    node.wait_for_metric("enforcer_mode{mode=\"enforce\"} 1");
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));

    assert!(first.terminate().success(), "{}", first.log());
    assert!(!node.passes("livenessProbe"));
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));

    let mut second = node.start(&capabilities());
    second.wait_until_started(&node);
    node.wait_for_metric("enforcer_policy_generation 3");
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));
}

#[test]
fn without_any_one_of_its_capabilities_nothing_starts() {
    require_privilege!();
    let node = Node::make();
    let _peer = Peer::tcp(&node.rig.world, 443).unwrap();
    let all = capabilities();
    assert_eq!(all.split(',').count(), 3);
    for missing in all.split(',') {
        let given: Vec<&str> = all.split(',').filter(|one| *one != missing).collect();
        let mut container = node.start(&given.join(","));
        let ended = wait::until("the agent to end", PATIENCE, || container.0.try_wait().unwrap());

        assert!(!ended.unwrap().success(), "{missing}: {}", container.log());
        let said = format!("this process lacks CAP_{}:", missing[1..].to_uppercase());
        assert!(container.log().contains(&said), "{}", container.log());
        assert!(node.is_reached(DENIED), "{missing}");
    }
}
