//! The rig itself: that it reaches what it should, sees what arrives, and leaves nothing behind.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use enforcer_tests::{
    Capture, Cgroup, NameServer, Netns, Packet, Peer, Probe, Rig, Zone,
    lease::Lease,
    nameserver::Behaviour,
    packet::{extension, protocol},
    probe::{Family, Outcome, Transport},
    require_privilege, wait,
};

const ADDRESSES: [&str; 2] = ["203.0.113.7", "2001:db8:7::7"];
const RESOLVER: &str = "203.0.113.53:53";
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn tcp_reaches_a_peer_and_nothing_where_nobody_listens() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let peer = Peer::tcp(&rig.world, 443).unwrap();

    for address in ADDRESSES.map(ip) {
        let reached = rig.probe(&Probe::tcp(address, 443)).unwrap();
        let closed = rig.probe(&Probe::tcp(address, 444)).unwrap();

        assert!(reached.is_reached(), "{address}: {reached}");
        assert_eq!(peer.arrived_at(address), 1, "{address}");
        assert_eq!(closed.errno(), Some(nix::libc::ECONNREFUSED), "{address}: {closed}");
        assert!(!closed.is_refused(), "a reset is no firewall: {closed}");
    }
}

#[test]
fn udp_is_answered_from_the_address_it_was_sent_to() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let peer = Peer::udp(&rig.world, 123).unwrap();

    for address in ADDRESSES.map(ip) {
        let reached = rig.probe(&Probe::udp(address, 123)).unwrap();

        assert!(reached.is_reached(), "{address}: {reached}");
        assert_eq!(peer.arrived_at(address), 1, "{address}");
    }
    assert_eq!(peer.arrived(), 2);
}

#[test]
fn a_udp_connect_sends_nothing() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let capture = rig.capture().unwrap();

    for address in ADDRESSES.map(ip) {
        let connected = rig.probe(&Probe::udp_connect(address, 123)).unwrap();

        assert!(connected.is_reached(), "{address}: {connected}");
        assert_eq!(capture.count_to(address), 0, "{:?}", capture.all());
    }
}

#[test]
fn pings_are_answered_over_both_families() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let capture = rig.capture().unwrap();

    for (address, protocol) in ADDRESSES.map(ip).into_iter().zip([protocol::ICMP, protocol::ICMPV6])
    {
        let report = rig.probe(&Probe::ping(address)).unwrap();

        assert!(report.is_reached(), "{address}: {report}");
        assert_eq!(capture.count_to_port(address, protocol, 0), 1, "{:?}", capture.all());
    }
}

#[test]
fn silence_is_told_from_an_answer() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    rig.world.configure(["route add blackhole 203.0.113.9/32 table local"]).unwrap();
    let probe = Probe::tcp(ip("203.0.113.9"), 443).patience(Duration::from_millis(200));

    let report = rig.probe(&probe).unwrap();

    assert!(matches!(report.outcome, Outcome::Silence { .. }), "{report}");
    assert!(report.is_refused() && !report.is_refused_at_once(), "{report}");
}

#[test]
fn the_capture_counts_raw_packets_by_protocol_and_port() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let capture = rig.capture().unwrap();
    let (v4, v6) = (ADDRESSES[0], ADDRESSES[1]);
    let mobility = Packet::ipv6().to(v6).extension(extension::MOBILITY, &[0; 6]).tcp(443);
    let cases = [
        ("sctp", v4, Packet::ipv4().to(v4).sctp(3868), protocol::SCTP, 3868),
        ("sctp over ipv6", v6, Packet::ipv6().to(v6).sctp(3869), protocol::SCTP, 3869),
        ("gre", v4, Packet::ipv4().to(v4).protocol(protocol::GRE), protocol::GRE, 0),
        ("fragment", v4, Packet::ipv4().to(v4).fragment(7, 64, false).udp(53), protocol::UDP, 0),
        ("mobility header", v6, mobility, extension::MOBILITY, 0),
    ];

    for (label, address, packet, protocol, port) in cases {
        let packet = packet.payload(&[0; 8]).bytes();

        let report = rig.probe(&Probe::raw(ip(address), packet)).unwrap();

        assert_eq!(report.outcome, Outcome::Sent, "{label}: {report}");
        let count = capture.count_to_port(ip(address), protocol, port);
        assert_eq!(count, 1, "{label}: {:?}", capture.all());
    }
}

#[test]
fn the_capture_counts_only_what_comes_in() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let capture = rig.capture().unwrap();
    let _peer = Peer::udp(&rig.world, 123).unwrap();

    rig.probe(&Probe::udp(ip(ADDRESSES[0]), 123)).unwrap();

    assert_eq!(capture.count_to_port(ip(ADDRESSES[0]), protocol::UDP, 123), 1);
    assert_eq!(capture.count_to(IpAddr::V4(enforcer_tests::link::CLIENT_V4)), 0);
}

#[test]
fn the_name_server_answers_over_udp_and_tcp() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let names = NameServer::start(&rig.world, [resolver()], zone()).unwrap();

    for transport in [Transport::Udp, Transport::Tcp] {
        for (family, expected) in [(Family::V4, ADDRESSES[0]), (Family::V6, ADDRESSES[1])] {
            let probe = Probe::lookup(resolver(), "WWW.example.test", family, transport);

            let report = rig.probe(&probe).unwrap();

            assert_eq!(report.addresses(), [ip(expected)], "{transport:?} {family:?}: {report}");
        }
    }
    assert_eq!(names.queries_for("www.example.test"), 4);
    assert_eq!(names.queries(), 4);
}

#[test]
fn the_name_server_behaves_as_it_is_told() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let names = NameServer::start(&rig.world, [resolver()], zone()).unwrap();
    let ask = |name: &str, transport| {
        let probe = Probe::lookup(resolver(), name, Family::V4, transport);
        rig.probe(&probe.patience(Duration::from_millis(200))).unwrap().outcome
    };

    for (name, expected) in [("gone.test", 3), ("broken.test", 2), ("no-such-name.test", 3)] {
        let outcome = ask(name, Transport::Udp);
        assert!(matches!(outcome, Outcome::Answered { code, .. } if code == expected), "{name}");
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let outcome = ask("silent.test", transport);
        assert!(matches!(outcome, Outcome::Silence { .. }), "{transport:?}: {outcome:?}");
    }
    let cut = ask("long.test", Transport::Udp);
    assert!(
        matches!(cut, Outcome::Answered { is_truncated: true, ref addresses, .. } if addresses.is_empty())
    );
    let whole = ask("long.test", Transport::Tcp);
    assert!(
        matches!(whole, Outcome::Answered { is_truncated: false, ref addresses, .. } if addresses.len() == 1)
    );

    names.change(|zone| zone.behave("silent.test", Behaviour::Answer));
    assert!(matches!(ask("silent.test", Transport::Udp), Outcome::Answered { code: 0, .. }));
}

#[test]
fn the_name_server_knows_ten_thousand_names() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let zone = Zone::new().with_generated("load.test", 10_000);
    let _names = NameServer::start(&rig.world, [resolver()], zone).unwrap();

    for (number, expected) in [(0, 1), (9_999, 1), (10_000, 0)] {
        let name = Zone::generated_name("load.test", number);
        let report =
            rig.probe(&Probe::lookup(resolver(), &name, Family::V4, Transport::Udp)).unwrap();
        assert_eq!(report.addresses().len(), expected, "{name}: {report}");
    }
}

#[test]
fn a_probe_resolves_a_name_and_connects_to_it() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _names = NameServer::start(&rig.world, [resolver()], zone()).unwrap();
    let peer = Peer::tcp(&rig.world, 443).unwrap();
    let nowhere = ip("0.0.0.0");

    let known = Probe::tcp(nowhere, 443).by_name("www.example.test", Family::V6, resolver());
    let unknown = Probe::tcp(nowhere, 443).by_name("gone.test", Family::V6, resolver());
    let reached = rig.probe(&known).unwrap();
    let failed = rig.probe(&unknown).unwrap();

    assert!(reached.is_reached(), "{reached}");
    assert_eq!(reached.address, Some(ip(ADDRESSES[1])));
    assert_eq!(peer.arrived_at(ip(ADDRESSES[1])), 1);
    assert_eq!((failed.errno(), failed.address), (Some(0), None), "{failed}");
}

#[test]
fn a_probe_runs_in_the_cgroup_and_not_in_the_root() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let mut command = rig.command("/bin/cat").unwrap();
    command.arg("/proc/self/cgroup");

    let done = rig.client.output(&mut command).unwrap();

    let text = String::from_utf8(done.stdout).unwrap();
    let unified = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    assert_eq!(unified, rig.workload.policy_path());
}

#[test]
fn a_dropped_rig_leaves_nothing_behind() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let mut idle = rig.idle().unwrap();
    wait::until_true("a member", PATIENCE, || rig.workload.members() == [idle.id()]).unwrap();
    let peer = Peer::tcp(&rig.world, 443).unwrap();
    let capture: Capture = rig.capture().unwrap();
    let namespaces = [rig.client.number().unwrap(), rig.world.number().unwrap()];
    let (cgroup, scratch) = (rig.workload.path().to_owned(), rig.scratch().path().to_owned());
    let pins = rig.pins().parent().unwrap().to_owned();
    assert!(is_mounted(&pins) && cgroup.exists() && scratch.exists());

    drop((peer, capture));
    drop(rig);

    assert!(!idle.wait().unwrap().success(), "the idle process was killed");
    assert!(!is_mounted(&pins), "the bpffs is still mounted");
    assert!(!cgroup.parent().unwrap().exists(), "the cgroup is still there");
    assert!(!scratch.exists(), "the folder is still there");
    wait::until_true("namespaces without a process or descriptor", PATIENCE, || {
        namespaces.iter().all(|number| !is_in_use(*number))
    })
    .unwrap();
}

#[test]
fn remains_are_removed_without_a_drop() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let mut idle = rig.idle().unwrap();
    let (cgroup, scratch) = (rig.workload.path().to_owned(), rig.scratch().path().to_owned());
    wait::until_true("a member", PATIENCE, || rig.workload.members() == [idle.id()]).unwrap();

    rig.remains().remove();

    assert!(!cgroup.exists() && !scratch.exists());
    assert!(!idle.wait().unwrap().success());
}

#[test]
fn a_lease_in_use_is_not_taken_and_an_abandoned_one_is() {
    require_privilege!();
    let folder = Rig::make().unwrap();
    let parent = folder.scratch().path();
    let lease = Lease::make(parent).unwrap();
    let path = lease.path().to_owned();

    assert!(Lease::abandoned(parent).is_empty());
    drop(lease);

    // A process that another test starts has a copy of the lock until its exec.
    let found = wait::until("an abandoned lease", PATIENCE, || Lease::abandoned(parent).pop());
    assert_eq!(found.unwrap().path(), path);
}

#[test]
fn rigs_are_made_while_others_sweep() {
    require_privilege!();

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    Cgroup::sweep();
                    let cgroup = Cgroup::make().unwrap();
                    assert!(cgroup.path().exists());
                }
            });
        }
    });
}

#[test]
fn nested_cgroups_have_paths_as_policies_write_them() {
    require_privilege!();
    let top = Cgroup::make().unwrap();
    let child = top.child("ci").unwrap();

    assert_eq!(child.policy_path(), format!("{}/ci", top.policy_path()));
    assert!(top.policy_path().starts_with("/enforcer-rig."));
}

#[test]
fn namespaces_are_apart() {
    require_privilege!();
    let (one, other) = (Netns::make().unwrap(), Netns::make().unwrap());
    let _peer = Peer::tcp(&one, 443).unwrap();
    let connect = || Ok(std::net::TcpStream::connect("127.0.0.1:443").is_ok());

    assert!(one.run(connect).unwrap());
    assert!(!other.run(connect).unwrap());
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn resolver() -> SocketAddr {
    RESOLVER.parse().unwrap()
}

fn zone() -> Zone {
    Zone::new()
        .with_alias("www.example.test", "cdn.example.test")
        .with("cdn.example.test", ADDRESSES.map(ip))
        .with_behaviour("gone.test", Behaviour::NxDomain)
        .with_behaviour("broken.test", Behaviour::ServFail)
        .with("silent.test", [ip(ADDRESSES[0])])
        .with_behaviour("silent.test", Behaviour::Silence)
        .with("long.test", [ip(ADDRESSES[0])])
        .with_behaviour("long.test", Behaviour::TruncateUdp)
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|it| Path::new(it) == path))
}

/// Whether any thread is in a network namespace, or any process holds a way into it.
fn is_in_use(number: u64) -> bool {
    let name = format!("net:[{number}]");
    let leads_there = |path: &Path| fs::read_link(path).is_ok_and(|it| it.as_os_str() == &*name);
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    entries(Path::new("/proc")).any(|process| {
        entries(&process.path().join("task")).any(|task| leads_there(&task.path().join("ns/net")))
            || entries(&process.path().join("fd")).any(|open| leads_there(&open.path()))
    })
}
