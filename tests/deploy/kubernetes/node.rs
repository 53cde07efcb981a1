//! A node as a pod of the agent finds it: its network, its folders, the volume of a `ConfigMap`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use enforcer_tests::{NameServer, Peer, Probe, Rig, Zone, binary, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::manifest::{BASE, agent, arguments, pod, policy, text};
use crate::tools::root;

/// Where the probes go.
const SERVED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9469);
const RESOLVER: &str = "203.0.113.53";
/// How long a change may take to be followed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// In a range that the base's policy names, and in none.
pub(crate) const ALLOWED: &str = "10.1.2.3";
pub(crate) const DENIED: &str = "198.18.0.3";

/// A node: its network, its folders, and the volume of the `ConfigMap` as the kubelet lays it out.
pub(crate) struct Node {
    pub(crate) rig: Rig,
    pub(crate) volume: PathBuf,
    _name_server: NameServer,
}

impl Node {
    pub(crate) fn make() -> Self {
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
    pub(crate) fn publish(&self, version: &str, key: &str, text: &str) {
        fs::create_dir(self.volume.join(version)).unwrap();
        fs::write(self.volume.join(version).join(key), text).unwrap();
        symlink(version, self.volume.join("..data_tmp")).unwrap();
        fs::rename(self.volume.join("..data_tmp"), self.volume.join("..data")).unwrap();
    }

    /// Starts the program of this build as a pod, with these capabilities.
    pub(crate) fn start(&self, capabilities: &str) -> Container {
        let mut command = self.shell("tests/deploy/kubernetes/pod.sh");
        command.arg(capabilities).arg(binary::enforcer().unwrap()).args(arguments(&BASE));
        self.spawn(&mut command)
    }

    /// A script in a mount namespace of its own, which is told of the node's folders: the cgroup
    /// in the place of the host's root, the bpffs, the volume, `resolv.conf`.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(root().join(script));
        command.arg(self.rig.workload.path()).arg(self.rig.pins().parent().unwrap());
        command.arg(&self.volume).arg(self.rig.scratch().path().join("resolv.conf"));
        command
    }

    pub(crate) fn spawn(&self, command: &mut Command) -> Container {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Container(self.rig.client.spawn(command).unwrap())
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
    pub(crate) fn passes(&self, probe: &str) -> bool {
        let path = text(&agent(&BASE)[probe]["httpGet"]["path"]);
        self.get(path).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    pub(crate) fn wait_for_metric(&self, line: &str) {
        let has = || self.get("/metrics").is_some_and(|all| all.lines().any(|one| one == line));
        wait::until_true(line, PATIENCE, has).unwrap();
    }

    pub(crate) fn is_reached(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        self.rig.probe(&Probe::tcp(address, 443)).unwrap().is_reached()
    }
}

/// The agent's process; drop kills it.
pub(crate) struct Container(pub(crate) Child);

impl Container {
    /// Waits as long as the startup probe does.
    pub(crate) fn wait_until_started(&mut self, node: &Node) {
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
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), Signal::SIGTERM).unwrap();
        let grace = pod(&BASE)["terminationGracePeriodSeconds"].as_u64().unwrap();
        let ended = || self.0.try_wait().unwrap();
        wait::until("the agent to end", Duration::from_secs(grace), ended).unwrap()
    }

    /// All that it has logged, once it has ended.
    pub(crate) fn log(&mut self) -> String {
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

/// What an agent does in a pod's life: audits, follows its `ConfigMap`, ends, is taken over.
pub(crate) fn live_and_be_followed(node: &Node, start: impl Fn(&Node) -> Container) {
    let _peer = Peer::tcp(&node.rig.world, 443).unwrap();
    assert!(node.is_reached(DENIED));
    let mut first = start(node);
    first.wait_until_started(node);

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

    let mut second = start(node);
    second.wait_until_started(node);
    node.wait_for_metric("enforcer_policy_generation 3");
    assert!(node.is_reached(ALLOWED) && !node.is_reached(DENIED));
}
