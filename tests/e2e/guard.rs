//! What somebody takes out of the kernel is put back while the agent lives.

use std::{fs, path::PathBuf, process::Command};

use enforcer_tests::{Agent, Peer, Probe, Rig, link::CLIENT_DEVICE, require_privilege, wait};
use nix::sys::signal::Signal;

use crate::world::{PATIENCE, PLAIN, ip, modes, policy, probe};

const DENIED: &str = "203.0.113.66";

/// The folder of the start that judges.
fn instance(rig: &Rig) -> PathBuf {
    rig.pins().join(fs::read_link(rig.pins().join("current")).unwrap())
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {done:?}");
}

fn wait_until_put_back(agent: &Agent<'_>, what: &str) {
    agent
        .wait_for_line(what, |line| line.contains("it is put back") && line.contains(what))
        .unwrap_or_else(|error| panic!("{error:#}\n{}", agent.log().join("\n")));
}

/// How often something was put back, as the log tells.
fn restored(agent: &Agent<'_>) -> usize {
    agent.log().iter().filter(|line| line.contains("it is put back")).count()
}

fn is_whole(agent: &Agent<'_>) -> bool {
    let status = agent.status().unwrap();
    let hooks = status["hooks"].as_array().unwrap();
    status["state"] == "enforcing" && hooks.iter().all(|hook| hook["attached"] == true)
}

#[test]
fn a_hook_that_is_detached_unpinned_or_replaced_is_put_back() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::udp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();
    let links = instance(&rig).join("links");
    let refused = || probe(&rig, &Probe::udp(ip(DENIED), 443)).is_refused_at_once();
    assert!(refused());

    let detached = links.join("cgroup_egress");
    run("bpftool", &["link", "detach", "pinned", detached.to_str().unwrap()]);
    wait_until_put_back(&agent, "hook cgroup_egress");
    assert!(refused());

    for entry in fs::read_dir(&links).unwrap() {
        let pin = entry.unwrap().path();
        let name = pin.file_name().unwrap().to_str().unwrap().to_owned();
        fs::remove_file(&pin).unwrap();
        let is_back = || pin.exists() && is_whole(&agent);
        wait::until_true(&format!("{name} to be put back"), PATIENCE, is_back).unwrap();
    }
    assert!(refused());

    // Stopped, so that the link is not back before another pin is in its place.
    agent.signal(Signal::SIGSTOP).unwrap();
    let replaced = links.join("cgroup_connect4");
    fs::remove_file(&replaced).unwrap();
    let map = instance(&rig).join("maps/ADDRS");
    let (map, pin) = (map.to_str().unwrap(), replaced.to_str().unwrap());
    run("bpftool", &["map", "pin", "pinned", map, pin]);
    assert!(!is_whole(&agent));
    agent.signal(Signal::SIGCONT).unwrap();
    wait::until_true("the link to be put back", PATIENCE, || is_whole(&agent)).unwrap();
    assert!(refused());
}

#[test]
fn a_pin_that_is_removed_is_put_back_and_readers_go_on() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();

    for (pin, what) in
        [("maps/ADDRS", "pin of map ADDRS"), ("programs/egress_skb", "pin of program egress_skb")]
    {
        let pin = instance(&rig).join(pin);
        fs::remove_file(&pin).unwrap();
        wait_until_put_back(&agent, what);
        assert!(pin.exists());
    }
    // Another object in the same place.
    for (pin, other, what) in [
        ("maps/SPECIAL", "maps/ADDRS", "pin of map SPECIAL"),
        ("programs/sendmsg4", "programs/sendmsg6", "pin of program sendmsg4"),
    ] {
        let (pin, other) = (instance(&rig).join(pin), instance(&rig).join(other));
        let staged = pin.with_file_name("staged");
        fs::hard_link(&other, &staged).unwrap();
        fs::remove_file(&pin).unwrap();
        fs::rename(&staged, &pin).unwrap();
        wait_until_put_back(&agent, what);
    }
    fs::remove_file(rig.pins().join("current")).unwrap();
    wait_until_put_back(&agent, "the link to the pins");

    assert!(is_whole(&agent));
}

#[test]
fn a_hook_of_an_uplink_is_put_back() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let agent = rig.agent_with(&policy(PLAIN, &[]), &mode).unwrap();
        if mode.contains(&"tcx") {
            let mut entries = fs::read_dir(instance(&rig).join("links")).unwrap();
            let is_egress = |path: &PathBuf| path.to_string_lossy().contains("tc_egress_");
            let pin = entries.find_map(|it| Some(it.unwrap().path()).filter(is_egress)).unwrap();
            fs::remove_file(pin).unwrap();
        } else {
            let arguments = ["filter", "del", "dev", CLIENT_DEVICE, "egress"];
            let done = rig.client.output(Command::new("tc").args(arguments)).unwrap();
            assert!(done.status.success(), "{done:?}");
        }

        wait_until_put_back(&agent, &format!("hooks of {CLIENT_DEVICE}"));
        wait::until_true("it to be whole", PATIENCE, || is_whole(&agent)).unwrap();
        if mode.contains(&"clsact") {
            // Another program in the same place.
            let other = instance(&rig).join("programs/tc_ingress");
            let arguments = format!(
                "filter replace dev {CLIENT_DEVICE} egress prio 1 handle 0xe41 bpf da \
                 object-pinned {}",
                other.display()
            );
            let before = restored(&agent);
            let done = rig.client.output(Command::new("tc").args(arguments.split(' '))).unwrap();
            assert!(done.status.success(), "{done:?}");
            wait::until_true("it to be noticed", PATIENCE, || restored(&agent) > before).unwrap();
            wait::until_true("it to be whole", PATIENCE, || is_whole(&agent)).unwrap();
            let arguments = ["qdisc", "del", "dev", CLIENT_DEVICE, "clsact"];
            let done = rig.client.output(Command::new("tc").args(arguments)).unwrap();
            assert!(done.status.success(), "{done:?}");
            let has_filter = || {
                let show = ["filter", "show", "dev", CLIENT_DEVICE, "egress"];
                let shown = rig.client.output(Command::new("tc").args(show)).unwrap();
                String::from_utf8_lossy(&shown.stdout).contains("tc_egress")
            };
            wait::until_true("the filter to be back", PATIENCE, has_filter).unwrap();
        }
        wait::until_true("it to be whole", PATIENCE, || is_whole(&agent)).unwrap();
        let problems = agent.status().unwrap()["problems"].to_string();
        assert_eq!(problems, "[]");
    }
}

#[test]
fn what_unload_removes_stays_away_with_the_agent_alive() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::udp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();

    assert!(agent.cli(&["unload"]).unwrap().status.success());

    agent.wait_for_line("an end", |line| line.contains("nothing is enforced")).unwrap();
    let is_unready = || agent.get("/readyz").unwrap().0 == 503;
    wait::until_true("readiness to end", PATIENCE, is_unready).unwrap();
    // Longer than two looks of the guard.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert!(!rig.pins().exists() || fs::read_dir(rig.pins()).unwrap().next().is_none());
    assert!(probe(&rig, &Probe::udp(ip(DENIED), 443)).is_reached());
}
