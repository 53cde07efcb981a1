//! What is enforced goes on when a file, a disk or the pins' file system is not as it should be.

use std::{fs, process::Stdio, time::Duration};

use enforcer_tests::{Peer, Probe, Rig, binary, require_privilege, wait};
use nix::mount::{MsFlags, mount};

use crate::world::{PATIENCE, PLAIN, ip, policy, probe};

const RULE: &str = "{name: plain, to: [{cidr: 198.18.0.9}], ports: [tcp/443]}";
const OTHER: &str = "{name: other, to: [{cidr: 198.18.0.8}], ports: [tcp/443]}";

/// A start whose log nobody can wait for; the verifier is slow in an emulator.
const START: Duration = Duration::from_secs(60);

fn to(address: &str) -> Probe {
    Probe::tcp(ip(address), 443)
}

fn is_enforced(rig: &Rig) -> bool {
    probe(rig, &to("198.18.0.9")).is_reached() && probe(rig, &to("198.18.0.3")).is_refused_at_once()
}

#[test]
fn a_policy_that_is_emptied_or_deleted_changes_nothing_and_is_told() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[RULE])).unwrap();
    let file = rig.scratch().path().join("policy.yaml");
    let told = |what: &str| {
        wait::until_true(&format!("status to tell of {what}"), PATIENCE, || {
            let error = agent.status().unwrap()["policy"]["reloadError"].clone();
            error.as_str().is_some_and(|error| error.contains(what))
        })
        .unwrap();
        assert!(is_enforced(&rig), "{what}");
        assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(3), "{what}");
        let metrics = agent.metrics().unwrap();
        assert!(metrics.contains("enforcer_policy_last_reload_successful 0"), "{metrics}");
    };

    fs::write(&file, "").unwrap();
    told("empty");
    fs::remove_file(&file).unwrap();
    told("No such file");

    agent.write_policy(&policy(PLAIN, &[RULE, OTHER])).unwrap();
    let is_followed = || probe(&rig, &to("198.18.0.8")).is_reached();
    wait::until_true("the new file to be followed", PATIENCE, is_followed).unwrap();
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(0));
    let metrics = agent.metrics().unwrap();
    let count = |result: &str| {
        let series = format!("enforcer_policy_reload_total{{result=\"{result}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(count("success"), 1);
    assert!(count("failure") >= 2, "{metrics}");
}

#[test]
fn with_pins_on_a_read_only_file_system_policies_change_and_no_start_does() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.agent(&policy(PLAIN, &[RULE])).unwrap();
    let pins = rig.pins();
    let remount = |flags: MsFlags| {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags;
        mount(None::<&str>, pins.parent().unwrap(), None::<&str>, flags, None::<&str>).unwrap();
    };
    remount(MsFlags::MS_RDONLY);

    agent.write_policy(&policy(PLAIN, &[RULE, OTHER])).unwrap();
    let is_followed = || probe(&rig, &to("198.18.0.8")).is_reached();
    wait::until_true("the new file to be followed", PATIENCE, is_followed).unwrap();
    assert_eq!(agent.status().unwrap()["state"], "enforcing");
    agent.kill().unwrap();
    drop(agent);
    let mut refused = rig.launch(&policy(PLAIN, &[OTHER]), &[]).unwrap();
    assert!(!refused.wait().unwrap().success());
    let said = refused.log().join("\n");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(said.contains(pins.to_str().unwrap()), "{said}");
    assert!(is_enforced(&rig));

    remount(MsFlags::empty());
    drop(refused);
    let agent = rig.agent(&policy(PLAIN, &[RULE])).unwrap();
    assert!(is_enforced(&rig));
    assert!(probe(&rig, &to("198.18.0.8")).is_refused_at_once());
    drop(agent);
}

#[test]
fn a_log_that_cannot_be_written_keeps_nobody_from_enforcing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let file = rig.scratch().write("policy.yaml", &policy(PLAIN, &[RULE])).unwrap();
    let mut command = rig.command("/bin/sh").unwrap();
    let load = rig.load_options();
    command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]).arg(binary::enforcer().unwrap());
    command.args(["run", "--log-level", "trace", "--metrics", "none", "--tc", "auto", "--policy"]);
    command.arg(&file).arg("--cgroup").arg(&load.cgroup).arg("--bpffs").arg(&load.bpffs);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut agent = rig.client.spawn(&mut command).unwrap();

    wait::until_true("the policy to be in force", START, || {
        probe(&rig, &to("198.18.0.3")).is_refused_at_once()
    })
    .unwrap();
    assert!(is_enforced(&rig));
    rig.scratch().write("policy.yaml", &policy(PLAIN, &[RULE, OTHER])).unwrap();
    let is_followed = || probe(&rig, &to("198.18.0.8")).is_reached();
    wait::until_true("the new file to be followed", PATIENCE, is_followed).unwrap();
    assert_eq!(agent.try_wait().unwrap(), None, "the agent has ended");
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(is_enforced(&rig));
}
