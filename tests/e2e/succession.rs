//! From one start of the agent to the next: what is known stays known, and no hook is ever away.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use enforcer_tests::{
    Agent, Peer, Probe, Rig, Zone,
    link::CLIENT_DEVICE,
    nameserver::Behaviour,
    probe::{Family, Transport},
    require_privilege, wait,
};

use crate::world::{PATIENCE, PLAIN, RESOLVER, hits, ip, modes, number, policy, probe, serve};

const WILD: &str = "{name: wild, to: [{fqdn: '*.wild.test'}], ports: [tcp/443]}";
const OTHER: &str = "{name: other, to: [{fqdn: '*.other.test'}], ports: [tcp/443]}";
const PLAIN_RULE: &str = "{name: plain, to: [{cidr: 198.18.0.9}], ports: [tcp/443]}";
const LEARNED: &str = "198.18.0.1";

fn zone() -> Zone {
    Zone::new().with("a.wild.test", [ip(LEARNED)]).with("a.other.test", [ip("198.18.0.2")])
}

fn look_up(rig: &Rig, name: &str) {
    let resolver = SocketAddr::new(ip(RESOLVER), 53);
    let report = probe(rig, &Probe::lookup(resolver, name, Family::V4, Transport::Udp));
    assert_eq!(report.addresses().len(), 1, "{report}");
}

fn to(address: &str) -> Probe {
    Probe::tcp(ip(address), 443)
}

/// What somebody does to the pins of a rig.
type Change<'a> = &'a dyn Fn(&Rig);

/// The folder of the start that judges.
fn instance(rig: &Rig) -> PathBuf {
    rig.pins().join(fs::read_link(rig.pins().join("current")).unwrap())
}

/// The ids of all pinned links and of the programs that they run, by pin.
fn links(rig: &Rig) -> Vec<(String, u64, u64)> {
    let folder = instance(rig).join("links");
    let mut links: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let pin = entry.unwrap().path();
            let arguments = ["-j", "link", "show", "pinned", pin.to_str().unwrap()];
            let shown = Command::new("bpftool").args(arguments).output().unwrap();
            let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
            let name = pin.file_name().unwrap().to_str().unwrap().to_owned();
            (name, number(&shown, "/id"), number(&shown, "/prog_id"))
        })
        .collect();
    links.sort();
    links
}

/// A start that must not come to anything; what it has logged.
fn refused_start(rig: &Rig, policy: &str, arguments: &[&str]) -> String {
    let mut agent = rig.launch(policy, arguments).unwrap();
    let ended = agent.wait().unwrap();
    assert!(!ended.success(), "{ended}: {:#?}", agent.log());
    agent.log().join("\n")
}

fn killed<'a>(rig: &'a Rig, policy: &str, arguments: &[&str]) -> Agent<'a> {
    let mut agent = rig.agent_with(policy, arguments).unwrap();
    agent.kill().unwrap();
    agent
}

#[test]
fn addresses_counters_and_connections_are_kept_over_a_restart() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let mut first = rig.agent(&policy(PLAIN, &[WILD, PLAIN_RULE])).unwrap();
    look_up(&rig, "a.wild.test");
    assert!(probe(&rig, &to(LEARNED)).is_reached());
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
    let mut stream = insider.stream(SocketAddr::new(ip(LEARNED), 443)).unwrap();
    let before = first.status().unwrap();
    let hooks = links(&rig);
    first.kill().unwrap();

    let second = rig.agent(&policy(PLAIN, &[PLAIN_RULE, WILD])).unwrap();

    let said = second.log().join("\n");
    assert!(said.contains("taken over") && said.contains("changed=0 programs=10"), "{said}");
    assert!(!said.contains("somebody"), "{said}");
    // The links are the same ones, with other programs: none was ever away.
    let after = links(&rig);
    assert_eq!(after.len(), hooks.len());
    for (now, then) in after.iter().zip(&hooks) {
        assert_eq!((&now.0, now.1), (&then.0, then.1));
        assert_ne!(now.2, then.2, "{} runs the program of the first start", now.0);
    }
    let status = second.status().unwrap();
    assert_eq!(status["state"], "enforcing", "{status:#}");
    assert!(hits(&status, "wild") >= hits(&before, "wild"));
    assert!(hits(&before, "wild") > 0);
    assert_eq!(number(&status, "/policy/generation"), number(&before, "/policy/generation") + 1);
    let denied = |status| number(status, "/totals/deniedPackets");
    assert!(denied(&status) >= denied(&before) && denied(&before) > 0);
    // Nobody asks for the name again.
    assert!(probe(&rig, &to(LEARNED)).is_reached());
    stream.write_all(b"still here").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
}

#[test]
fn what_a_rule_learned_ends_with_it_and_is_no_other_rules() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = killed(&rig, &policy(PLAIN, &[WILD]), &[]);
    look_up(&rig, "a.wild.test");
    assert!(probe(&rig, &to(LEARNED)).is_reached());
    drop(agent);

    let agent = killed(&rig, &policy(PLAIN, &[OTHER]), &[]);
    assert!(probe(&rig, &to(LEARNED)).is_refused_at_once());
    look_up(&rig, "a.other.test");
    assert!(probe(&rig, &to("198.18.0.2")).is_reached());
    drop(agent);

    // The first rule's slot is free again, and nothing of it is left.
    let third = rig.agent(&policy(PLAIN, &[WILD])).unwrap();
    assert!(probe(&rig, &to(LEARNED)).is_refused_at_once());
    assert!(probe(&rig, &to("198.18.0.2")).is_refused_at_once());
    assert_eq!(hits(&third.status().unwrap(), "wild"), 0);
    look_up(&rig, "a.wild.test");
    assert!(probe(&rig, &to(LEARNED)).is_reached());
}

#[test]
fn hooks_of_uplinks_are_taken_over_in_their_places() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        let filters = || {
            ["ingress", "egress"].map(|direction| {
                let show = ["filter", "show", "dev", CLIENT_DEVICE, direction];
                let shown = rig.client.output(Command::new("tc").args(show)).unwrap();
                let text = String::from_utf8_lossy(&shown.stdout).into_owned();
                text.lines().filter(|line| line.contains("handle 0x")).count()
            })
        };
        let agent = killed(&rig, &policy(PLAIN, &[PLAIN_RULE]), &mode);
        let (before, count) = (links(&rig), filters());
        drop(agent);

        let agent = rig.agent_with(&policy(PLAIN, &[PLAIN_RULE]), &mode).unwrap();

        let ids = |links: Vec<(String, u64, u64)>| -> Vec<_> {
            links.into_iter().map(|(name, id, _)| (name, id)).collect()
        };
        assert_eq!(ids(links(&rig)), ids(before), "{mode:?}");
        assert_eq!(filters(), count, "{mode:?}");
        assert_eq!(agent.status().unwrap()["state"], "enforcing", "{mode:?}");
        assert!(probe(&rig, &to("198.18.0.9")).is_reached());
        assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
        assert!(agent.cli(&["unload"]).unwrap().status.success());
        assert_eq!(filters(), [0, 0], "{mode:?}");
    }
}

#[test]
fn a_start_that_fails_half_way_gives_every_hook_back() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let mut first = killed(&rig, &policy(PLAIN, &[PLAIN_RULE]), &[]);
    let (before, folder) = (links(&rig), instance(&rig));
    // Every handle that a start tries is somebody else's.
    let tc = |arguments: &str| {
        let done = rig.client.output(Command::new("tc").args(arguments.split(' '))).unwrap();
        assert!(done.status.success(), "{arguments}: {done:?}");
    };
    tc(&format!("qdisc add dev {CLIENT_DEVICE} clsact"));
    let program = folder.join("programs/tc_ingress");
    for handle in 0x0e41..0x0e51 {
        tc(&format!(
            "filter add dev {CLIENT_DEVICE} ingress prio 1 handle {handle:#x} bpf da \
             object-pinned {}",
            program.display()
        ));
    }

    let arguments = ["--tc", "auto", "--tc-mode", "clsact"];
    let said = refused_start(&rig, &policy(PLAIN, &[WILD]), &arguments);

    assert!(said.contains("tc_ingress"), "{said}");
    assert_eq!((links(&rig), instance(&rig)), (before, folder));
    assert!(probe(&rig, &to("198.18.0.9")).is_reached());
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
    let status = first.status().unwrap();
    assert_eq!(status["rules"][0]["name"], "plain", "{status:#}");
    assert_eq!(fs::read_dir(rig.pins()).unwrap().count(), 2, "more than the first start is left");
    first.kill().unwrap();
}

#[test]
fn a_second_start_is_refused_while_the_first_is_under_way() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let server = serve(&rig, Zone::new().with_behaviour("silent.test", Behaviour::Silence));
    let silent = "{name: silent, to: [{fqdn: silent.test}], ports: [tcp/443]}";
    let first = rig.launch(&policy(PLAIN, &[silent]), &["--ready-timeout", "60"]).unwrap();
    wait::until_true("the name to be asked for", PATIENCE, || server.queries() > 0).unwrap();

    let said = refused_start(&rig, &policy(PLAIN, &[silent]), &["--metrics", "none"]);

    assert!(said.contains(&format!("another agent (pid {})", first.pid())), "{said}");
}

#[test]
fn pins_that_are_missing_cost_what_was_learned_and_nothing_else() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = killed(&rig, &policy(PLAIN, &[PLAIN_RULE]), &[]);
    fs::remove_file(instance(&rig).join("maps/DOCUMENT")).unwrap();
    drop(agent);

    let agent = rig.agent(&policy(PLAIN, &[PLAIN_RULE])).unwrap();

    assert!(agent.log().iter().any(|line| line.contains("cannot be taken over")));
    assert_eq!(agent.status().unwrap()["state"], "enforcing");
    assert!(probe(&rig, &to("198.18.0.9")).is_reached());
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
    assert_eq!(fs::read_dir(rig.pins()).unwrap().count(), 2);
}

#[test]
fn the_link_to_the_pins_may_be_gone() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let agent = killed(&rig, &policy(PLAIN, &[WILD]), &[]);
    look_up(&rig, "a.wild.test");
    fs::remove_file(rig.pins().join("current")).unwrap();
    drop(agent);

    let _agent = rig.agent(&policy(PLAIN, &[WILD])).unwrap();

    assert!(probe(&rig, &to(LEARNED)).is_reached());
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
}

#[test]
fn pins_of_others_are_refused_and_what_is_enforced_goes_on() {
    require_privilege!();
    let pin_map = |pin: &Path| {
        fs::remove_file(pin).unwrap();
        let pin = pin.to_str().unwrap();
        let create = ["map", "create", pin, "type", "hash", "key", "4", "value", "4"];
        let more = ["entries", "16", "name", "intruder"];
        let done = Command::new("bpftool").args(create).args(more).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let rename = |rig: &Rig| {
        let (old, new) = (instance(rig), rig.pins().join("abi999-1"));
        fs::rename(old, &new).unwrap();
        // It does not say how its maps are laid out.
        fs::remove_file(new.join("maps/DOCUMENT")).unwrap();
        fs::remove_file(rig.pins().join("current")).unwrap();
        symlink("abi999-1", rig.pins().join("current")).unwrap();
    };
    let open = |rig: &Rig| {
        fs::set_permissions(instance(rig), fs::Permissions::from_mode(0o777)).unwrap();
    };
    let cases: [(&str, Change<'_>, &str); 3] = [
        ("another map", &|rig| pin_map(&instance(rig).join("maps/ADDRS")), "another kind"),
        ("another layout", &rename, "another layout"),
        ("anybody's folder", &open, "mode 777"),
    ];
    for (label, change, expected) in cases {
        let rig = Rig::make().unwrap();
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        let agent = killed(&rig, &policy(PLAIN, &[PLAIN_RULE]), &[]);
        change(&rig);

        let said = refused_start(&rig, &policy(PLAIN, &[WILD]), &[]);

        assert!(said.contains(expected), "{label}: {said}");
        assert!(said.contains("enforcer unload"), "{label}: {said}");
        assert!(probe(&rig, &to("198.18.0.9")).is_reached(), "{label}");
        assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once(), "{label}");
        assert!(agent.cli(&["unload"]).unwrap().status.success(), "{label}");
        assert!(probe(&rig, &to("198.18.0.3")).is_reached(), "{label}");
    }
}

/// Over and back between versions whose maps are laid out otherwise.
#[test]
fn what_is_known_is_kept_over_an_upgrade_and_a_downgrade() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let _server = serve(&rig, zone());
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let policy = policy(PLAIN, &[PLAIN_RULE, WILD]);
        let mut agent = rig.agent_with(&policy, &mode).unwrap();
        look_up(&rig, "a.wild.test");
        let mut stream = insider.stream(SocketAddr::new(ip(LEARNED), 443)).unwrap();
        assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
        let mut before = agent.status().unwrap();

        for round in 0..2 {
            agent.kill().unwrap();
            drop(agent);
            agent = if round == 0 {
                rig.agent_of_other_layout(&policy, &mode).unwrap()
            } else {
                rig.agent_with(&policy, &mode).unwrap()
            };
            assert!(agent.log().iter().any(|line| line.contains("watching beside")), "{round}");
            // Nobody asks for the name again.
            assert!(probe(&rig, &to(LEARNED)).is_reached(), "round {round}, {mode:?}");
            assert!(probe(&rig, &to("198.18.0.9")).is_reached(), "round {round}, {mode:?}");
            assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once(), "round {round}");
            stream.write_all(b"still here").unwrap();
            let status = agent.status().unwrap();
            assert_eq!(status["state"], "enforcing", "{status:#}");
            assert!(hits(&status, "wild") >= hits(&before, "wild"), "round {round}");
            let denied = |status| number(status, "/totals/deniedPackets");
            assert!(denied(&status) > denied(&before), "round {round}: {status:#}");
            before = status;
            assert_eq!(fs::read_dir(rig.pins()).unwrap().count(), 2, "round {round}");
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        assert!(agent.cli(&["unload"]).unwrap().status.success());
    }
}

#[test]
fn a_resized_map_keeps_what_it_had() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, zone());
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    drop(killed(&rig, &policy(PLAIN, &[WILD]), &["--max-addresses", "1024"]));
    look_up(&rig, "a.wild.test");

    let agent = rig.agent_with(&policy(PLAIN, &[WILD]), &["--max-addresses", "2048"]).unwrap();

    assert!(probe(&rig, &to(LEARNED)).is_reached());
    assert!(probe(&rig, &to("198.18.0.3")).is_refused_at_once());
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/maps/0/maxEntries"), 2_048, "{status:#}");
}
