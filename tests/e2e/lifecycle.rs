//! Starts, reloads and ends: what is enforced meanwhile and afterwards.

use std::{thread, time::Duration};

use enforcer_tests::{
    Peer, Probe, Rig, Zone, binary, nameserver::Behaviour, require_privilege, wait,
};
use nix::sys::signal::Signal;

use crate::world::{PATIENCE, PLAIN, ip, number, policy, probe, serve};

const FIRST: &str = "{name: first, to: [{cidr: 198.18.0.1}], ports: [tcp/443]}";
const SECOND: &str = "{name: second, to: [{cidr: 198.18.0.2}], ports: [tcp/443]}";

fn to(last: u8) -> Probe {
    Probe::tcp(std::net::IpAddr::from([198, 18, 0, last]), 443)
}

#[test]
fn enforcement_goes_on_when_the_agent_is_killed() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, Zone::new().with("web.test", [ip("198.18.0.7")]));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let web = "{name: web, to: [{fqdn: web.test}], ports: [tcp/443]}";
    let mut agent = rig.agent(&policy(PLAIN, &[FIRST, web])).unwrap();
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    let before = agent.status().unwrap();

    agent.kill().unwrap();

    assert!(probe(&rig, &to(1)).is_reached());
    assert!(probe(&rig, &to(7)).is_reached(), "the address of a name is lost");
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    let status = agent.status().unwrap();
    assert_eq!(
        (&status["state"], &status["agent"]["running"]),
        (&"degraded".into(), &false.into())
    );
    assert!(number(&status, "/totals/deniedPackets") > number(&before, "/totals/deniedPackets"));
    let shown = agent.cli(&["status"]).unwrap();
    assert_eq!(shown.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("the agent is down"));
}

#[test]
fn a_restart_takes_over_and_a_live_agent_is_not_pushed_out() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.agent(&policy(PLAIN, &[FIRST])).unwrap();

    let mut second = rig.launch(&policy(PLAIN, &[SECOND]), &["--metrics", "none"]).unwrap();
    assert!(!second.wait().unwrap().success());
    assert!(second.log().iter().any(|line| line.contains("another agent")), "{:?}", second.log());
    agent.kill().unwrap();
    let third = rig.agent(&policy(PLAIN, &[SECOND])).unwrap();

    assert!(probe(&rig, &to(2)).is_reached());
    assert!(probe(&rig, &to(1)).is_refused_at_once());
    assert_eq!(third.status().unwrap()["state"], "enforcing");
    let instances = std::fs::read_dir(rig.pins())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir());
    assert_eq!(instances.count(), 1, "the pins of the first start are left");
}

#[test]
fn unload_leaves_what_is_not_its_own() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.agent(&policy(PLAIN, &[FIRST])).unwrap();
    let others = rig.pins().join("others");
    std::fs::create_dir(&others).unwrap();
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    agent.terminate().unwrap();

    let unloaded = agent.cli(&["unload"]).unwrap();
    let mount = rig.pins().parent().unwrap().to_owned();
    let again = std::process::Command::new(binary::enforcer().unwrap())
        .args(["unload", "--bpffs"])
        .arg(&mount)
        .output()
        .unwrap();

    assert!(unloaded.status.success(), "{unloaded:?}");
    assert!(again.status.success(), "a mount: {again:?}");
    assert!(others.exists() && probe(&rig, &to(2)).is_reached());
}

/// The verifier gives up on a program whose loader has a signal to take (`do_check`,
/// kernel/bpf/verifier.c, 6.18): stopping a process, or freezing its cgroup, is such a signal.
#[test]
fn a_start_is_not_lost_to_signals_while_programs_are_loaded() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.launch(&policy(PLAIN, &[FIRST]), &[]).unwrap();

    for _ in 0..8 {
        thread::sleep(Duration::from_millis(100));
        agent.stop().unwrap();
        agent.signal(Signal::SIGCONT).unwrap();
    }
    agent.wait_until_ready().unwrap();

    assert_eq!(agent.status().unwrap()["state"], "enforcing");
    assert!(probe(&rig, &to(1)).is_reached());
    assert!(probe(&rig, &to(2)).is_refused_at_once());
}

#[test]
fn enforcement_goes_on_after_sigterm_and_ends_with_unload() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.agent(&policy(PLAIN, &[FIRST])).unwrap();

    let ended = agent.terminate().unwrap();
    assert!(ended.success(), "{ended}: {:#?}", agent.log());
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    let unloaded = agent.cli(&["unload"]).unwrap();

    assert!(unloaded.status.success(), "{unloaded:?}");
    assert!(probe(&rig, &to(2)).is_reached());
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(4));
    assert!(!rig.pins().exists() || std::fs::read_dir(rig.pins()).unwrap().next().is_none());
}

#[test]
fn an_end_during_the_start_leaves_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let zone = Zone::new().with_behaviour("silent.test", Behaviour::Silence);
    let server = serve(&rig, zone);
    let silent = "{name: silent, to: [{fqdn: silent.test}], ports: [tcp/443]}";
    let mut agent = rig.launch(&policy(PLAIN, &[silent]), &["--ready-timeout", "60"]).unwrap();
    wait::until_true("the name to be asked for", PATIENCE, || server.queries() > 0).unwrap();

    let ended = agent.terminate().unwrap();

    assert!(ended.success(), "{ended}: {:#?}", agent.log());
    assert!(!agent.log().iter().any(|line| line.contains(" ready ")), "{:#?}", agent.log());
    assert!(probe(&rig, &to(1)).is_reached());
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(4));
    assert!(std::fs::read_dir(rig.pins()).map_or(true, |mut pins| pins.next().is_none()));
}

#[test]
fn detaches_on_exit_when_asked_to() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut agent = rig.launch(&policy(PLAIN, &[FIRST]), &["--detach-on-exit"]).unwrap();
    agent.wait_until_ready().unwrap();
    assert!(probe(&rig, &to(2)).is_refused_at_once());

    let ended = agent.terminate().unwrap();

    assert!(ended.success(), "{ended}: {:#?}", agent.log());
    assert!(probe(&rig, &to(2)).is_reached());
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(4));
}

#[test]
fn a_changed_file_is_followed_and_an_invalid_one_refused() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[FIRST])).unwrap();
    assert!(probe(&rig, &to(1)).is_reached());

    agent.write_policy(&policy(PLAIN, &[SECOND])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();
    assert!(probe(&rig, &to(2)).is_reached());
    assert!(probe(&rig, &to(1)).is_refused_at_once());
    assert!(number(&agent.status().unwrap(), "/rules/0/packets") > 0);

    agent.write_policy("apiVersion: enforcer.dev/v1alpha1\nkind: Nonsense\n").unwrap();
    wait::until_true("status to say that it was refused", PATIENCE, || {
        agent.status().unwrap()["policy"]["reloadError"].is_string()
    })
    .unwrap();
    assert!(probe(&rig, &to(2)).is_reached(), "the policy in force must go on");
    assert!(probe(&rig, &to(1)).is_refused_at_once());
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(3));

    agent.write_policy(&policy(PLAIN, &[SECOND])).unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    wait::until_true("the agent to be well again", PATIENCE, || {
        agent.cli(&["status"]).unwrap().status.code() == Some(0)
    })
    .unwrap();
}

#[test]
fn a_rule_that_stays_keeps_its_count_over_a_reload_and_a_rule_in_its_place_begins_anew() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[FIRST, SECOND])).unwrap();
    assert!(probe(&rig, &to(1)).is_reached() && probe(&rig, &to(2)).is_reached());
    let before = agent.status().unwrap();

    let third = "{name: third, to: [{cidr: 198.18.0.3}], ports: [tcp/443]}";
    agent.write_policy(&policy(PLAIN, &[FIRST, third])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    let after = agent.status().unwrap();
    assert_eq!(crate::world::hits(&after, "first"), crate::world::hits(&before, "first"));
    assert_eq!(crate::world::hits(&after, "third"), 0);
}

#[test]
fn serves_metrics_and_health() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = rig.agent(&policy(PLAIN, &[FIRST])).unwrap();
    assert!(probe(&rig, &to(1)).is_reached() && probe(&rig, &to(2)).is_refused());

    let metrics = agent.metrics().unwrap();

    let rule = crate::world::hits(&agent.status().unwrap(), "first");
    let line = format!("enforcer_rule_packets_total{{rule=\"first\",action=\"allow\"}} {rule}");
    assert!(metrics.contains(&line), "{line}\n{metrics}");
    assert!(metrics.contains("enforcer_dropped_packets_total{reason=\"no-rule\"} 1"), "{metrics}");
    assert_eq!(agent.get("/healthz").unwrap().0, 200);
    assert_eq!(agent.get("/readyz").unwrap().0, 200);
    assert_eq!(agent.get("/nothing").unwrap().0, 404);
}

#[test]
fn with_on_start_deny_nothing_leaves_before_the_names_are_resolved() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let server = serve(&rig, Zone::new().with_behaviour("silent.test", Behaviour::Silence));
    let silent = "{name: silent, to: [{fqdn: silent.test}], ports: [tcp/443]}";
    let file = policy(PLAIN, &[silent, FIRST]);
    let under_way = |on_start: &str| {
        let arguments = ["--ready-timeout", "60", "--on-start", on_start];
        let before = server.queries();
        let agent = rig.launch(&file, &arguments).unwrap();
        wait::until_true("the name to be asked for", PATIENCE, || server.queries() > before)
            .unwrap();
        agent
    };

    let mut agent = under_way("previous");
    assert!(probe(&rig, &to(2)).is_reached(), "nothing was in force before");
    agent.kill().unwrap();
    drop(agent);

    let mut agent = under_way("deny");
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    assert!(probe(&rig, &to(1)).is_reached());
    agent.terminate().unwrap();
    assert!(probe(&rig, &to(2)).is_refused_at_once(), "an end before ready opens the node");
    drop(agent);

    let mut agent = under_way("previous");
    assert!(probe(&rig, &to(2)).is_refused_at_once());
    agent.kill().unwrap();
    drop(agent);

    let mut agent = under_way("open");
    assert!(probe(&rig, &to(2)).is_reached());
    agent.terminate().unwrap();
}

#[test]
fn with_on_start_deny_a_faulty_policy_leaves_nothing_open_and_takes_nothing_away() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let faulty = "apiVersion: enforcer.dev/v1alpha1\nkind: Nonsense\n";
    let mut refused = rig.launch(faulty, &[]).unwrap();
    assert!(!refused.wait().unwrap().success());
    assert!(probe(&rig, &to(1)).is_reached(), "nothing was asked for");

    let mut agent = rig.launch(faulty, &["--on-start", "deny"]).unwrap();
    agent.wait_until_ready().unwrap();

    assert!(agent.log().iter().any(|line| line.contains("Nonsense")), "{:#?}", agent.log());
    assert!(probe(&rig, &to(1)).is_refused());
    wait::until_true("status to say why", PATIENCE, || {
        agent.status().unwrap()["policy"]["reloadError"].is_string()
    })
    .unwrap();
    assert_eq!(agent.cli(&["status"]).unwrap().status.code(), Some(3));
    agent.write_policy(&policy(PLAIN, &[FIRST])).unwrap();
    let is_reached = || probe(&rig, &to(1)).is_reached();
    wait::until_true("the mended policy to be in force", PATIENCE, is_reached).unwrap();
    assert!(probe(&rig, &to(2)).is_refused());

    // What is in force is not given up for a faulty file.
    agent.kill().unwrap();
    drop(agent);
    let mut refused = rig.launch(faulty, &["--on-start", "deny"]).unwrap();
    assert!(!refused.wait().unwrap().success());
    assert!(probe(&rig, &to(1)).is_reached());
    assert!(probe(&rig, &to(2)).is_refused());
}

#[test]
fn with_on_start_deny_a_policy_that_does_not_fit_leaves_nothing_open_either() {
    require_privilege!();
    let many: Vec<_> = (0..513)
        .map(|number| {
            format!("{{name: r{number}, to: [{{cidr: any}}], ports: [tcp/{}]}}", number + 1)
        })
        .collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    // Valid, and more than the kernel's table of trusted resolvers holds.
    let servers: Vec<_> = (0..300).map(|number| format!("198.51.100.1:{}", number + 1)).collect();
    let settings = format!("dns: {{resolvers: [{}]}}", servers.join(", "));
    for (label, unfit, said) in [
        ("rules", policy(PLAIN, &many), "513 rules"),
        ("resolvers", policy(&settings, &[]), "cannot be put in force"),
    ] {
        let rig = Rig::make().unwrap();
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        assert!(probe(&rig, &to(1)).is_reached(), "{label}: nothing is in force");

        let agent = rig.launch(&unfit, &["--on-start", "deny"]).unwrap();
        agent.wait_until_ready().unwrap();

        assert!(agent.log().iter().any(|line| line.contains(said)), "{label}: {:#?}", agent.log());
        assert!(probe(&rig, &to(1)).is_refused(), "{label}");
        agent.write_policy(&policy(PLAIN, &[FIRST])).unwrap();
        let is_reached = || probe(&rig, &to(1)).is_reached();
        wait::until_true("the mended policy to be in force", PATIENCE, is_reached).unwrap();
    }
}
