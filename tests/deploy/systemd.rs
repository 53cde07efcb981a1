//! What the agent tells the service manager, by a socket that the test listens on as one does
//! (`sd_notify`(3)).

use std::{
    fs::File,
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use enforcer_tests::{Rig, binary, require_privilege};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const POLICY: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: told}\n\
    spec:\n  dns: {resolvers: [203.0.113.53]}\n  rules: []\n";
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the agent's messages come.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message that has this line.
    fn wait_for(&self, line: &str) {
        let end = Instant::now() + PATIENCE;
        let mut told = Vec::new();
        while Instant::now() < end {
            let mut bytes = [0; 4_096];
            let Ok(length) = self.0.recv(&mut bytes) else { continue };
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if message.lines().any(|one| one == line) {
                return;
            }
            told.push(message);
        }
        panic!("`{line}` was not told, but {told:?}");
    }
}

#[test]
fn the_service_manager_is_told_of_readiness_policy_life_refusal_and_end() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let path = rig.scratch().path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let policy = rig.scratch().write("policy.yaml", POLICY).unwrap();
    let mut command = Command::new(binary::enforcer().unwrap());
    command.arg("run").arg("--policy").arg(&policy);
    command.arg("--cgroup").arg(rig.workload.path()).arg("--bpffs").arg(rig.pins());
    command.args(["--tc", "none", "--metrics", "none"]).env("NOTIFY_SOCKET", &path);
    let log = File::create(rig.scratch().path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut agent = rig.client.spawn(&mut command).unwrap();

    manager.wait_for("READY=1");
    for _ in 0..2 {
        manager.wait_for("WATCHDOG=1");
    }
    rig.scratch().write("policy.yaml", &POLICY.replace("rules", "mode: audit\n  rules")).unwrap();
    manager.wait_for("STATUS=auditing policy told, generation 2");
    rig.scratch().write("policy.yaml", "nothing of it").unwrap();
    manager.wait_for("STATUS=the newest policy is refused; the one before is in force");
    let process = Pid::from_raw(i32::try_from(agent.id()).unwrap());
    kill(process, Signal::SIGTERM).unwrap();
    manager.wait_for("STOPPING=1");
    assert!(agent.wait().unwrap().success());
}
