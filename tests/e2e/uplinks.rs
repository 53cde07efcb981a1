//! What leaves by an uplink is judged there, whoever sent it, and counted once.

#[cfg(test)]
mod names;
#[cfg(test)]
mod reject;

use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use enforcer_tests::{
    Capture, Insider, Packet, Peer, Probe, Rig,
    capture::Seen,
    insider::Kind,
    link::{CLIENT_DEVICE, device_address},
    newcomer::Newcomer,
    packet::protocol,
    require_privilege, wait,
};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};
use serde_json::Value;

use crate::{
    pod::pod,
    world::{PATIENCE, PLAIN, dropped, hits, ip, modes, number, policy},
};

const RULE: &str = "{name: web, to: [{cidr: 203.0.113.10/32}], ports: [tcp/443, udp/443]}";
const ALLOWED: &str = "203.0.113.10";
const DENIED: &str = "203.0.113.66";
const ETHERTYPE_IPV4: u16 = 0x0800;
const AUTO: &[&str] = &["--tc", "auto"];

/// Sends a packet by a packet socket of the workload, past everything that looks at sockets.
fn send_frame(rig: &Rig, insider: &Insider, packet: &Packet) {
    let socket = insider.socket(Kind::Packet).unwrap();
    let index = rig.client.run(|| Ok(nix::net::if_::if_nametoindex(CLIENT_DEVICE)?)).unwrap();
    let address = device_address(index, ETHERTYPE_IPV4, [2, 0, 0, 0, 0, 1]).unwrap();
    // A drop at the device may be told as an error.
    let _: Result<usize, nix::Error> =
        sendto(socket.as_raw_fd(), &packet.bytes(), &address, MsgFlags::empty());
}

/// Waits for the packets that should have come: some are still on their way.
fn wait_for(capture: &Capture, to: &str, packets: u64) {
    let has_come = || capture.count_to(ip(to)) >= packets;
    wait::until_true(&format!("{packets} packets to {to}"), PATIENCE, has_come).unwrap();
    assert_eq!(capture.count_to(ip(to)), packets, "to {to}");
}

fn datagram(to: &str) -> Packet {
    Packet::ipv4().from("192.0.2.2").to(to).udp(443)
}

/// Packets that were counted, without what the kernel sends to keep its neighbours.
fn total(status: &Value) -> u64 {
    let own = ["neighbour-discovery", "group-membership", "arp"];
    let implicit = status["implicit"].as_array().unwrap().iter();
    let own = implicit.filter(|rule| own.iter().any(|name| rule["name"] == *name));
    let own: u64 = own.map(|rule| rule["packets"].as_u64().unwrap()).sum();
    number(status, "/totals/allowedPackets") + number(status, "/totals/deniedPackets") - own
}

#[test]
fn a_packet_socket_reaches_what_rules_allow_and_nothing_else() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let capture = rig.capture().unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        send_frame(&rig, &insider, &datagram(DENIED));
        wait_for(&capture, DENIED, 1);
        let agent = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();

        send_frame(&rig, &insider, &datagram(DENIED));
        send_frame(&rig, &insider, &datagram(ALLOWED));

        wait_for(&capture, ALLOWED, 1);
        wait_for(&capture, DENIED, 1);
        let status = agent.status().unwrap();
        assert_eq!((dropped(&status, "no-rule"), hits(&status, "web")), (1, 1), "{status:#}");
    }
}

#[test]
fn what_a_socket_sends_is_counted_once() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let _peers = (Peer::tcp(&rig.world, 443).unwrap(), Peer::udp(&rig.world, 443).unwrap());
        let capture = rig.capture().unwrap();
        let agent = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();

        for probe in [Probe::tcp(ip(ALLOWED), 443), Probe::udp(ip(ALLOWED), 443)] {
            let report = rig.probe(&probe).unwrap();
            assert!(report.is_reached(), "{report}");
        }
        for probe in [Probe::tcp(ip(DENIED), 443), Probe::udp(ip(DENIED), 443)] {
            let report = rig.probe(&probe).unwrap();
            assert!(report.is_refused_at_once(), "{report}");
        }

        let status = agent.status().unwrap();
        let arrived = capture.count_to(ip(ALLOWED));
        assert_eq!(hits(&status, "web"), arrived, "{status:#}");
        assert_eq!(total(&status), arrived + 2, "{status:#}");
        assert_eq!(capture.count_to(ip(DENIED)), 0);
    }
}

#[test]
fn what_is_forwarded_reaches_what_rules_allow_and_is_answered() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let _peer = Peer::udp(&rig.world, 443).unwrap();
        let pod = pod(&rig);
        let capture = rig.capture().unwrap();
        // In no cgroup that is judged: as a virtual machine, or another kernel's pod.
        let send = |to: &str| {
            pod.run(|| {
                let socket = UdpSocket::bind("10.244.0.2:0")?;
                socket.set_read_timeout(Some(std::time::Duration::from_millis(500)))?;
                socket.send_to(b"ping", SocketAddr::new(ip(to), 443))?;
                Ok(socket.recv_from(&mut [0; 16]).is_ok())
            })
            .unwrap()
        };
        // The first ones may go while the new devices are not ready.
        wait::until_true("control, without enforcer", PATIENCE, || send(DENIED)).unwrap();
        let before = capture.count_to_port(ip(DENIED), protocol::UDP, 443);
        let agent = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();

        assert!(send(ALLOWED));
        assert!(!send(DENIED));

        assert_eq!(capture.count_to_port(ip(DENIED), protocol::UDP, 443), before);
        assert_eq!(dropped(&agent.status().unwrap(), "no-rule"), 1);
    }
}

/// From the world to the node.
fn ask_for_an_echo(rig: &Rig) {
    let mut packet = Packet::ipv4().from("192.0.2.1").to("192.0.2.2").icmp(8).bytes();
    // The checksum of type 8, identifier 1 and sequence number 1 (RFC 1071).
    packet[22..24].copy_from_slice(&[0xf7, 0xfd]);
    let sent = rig.world.run(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Raw, flags, Some(SockProtocol::Raw))?;
        let to = SockaddrStorage::from(SocketAddr::new(ip("192.0.2.2"), 0));
        Ok(sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty())?)
    });
    assert_eq!(sent.unwrap(), packet.len());
}

#[test]
fn the_kernel_answers_whoever_asked_and_nobody_else() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let agent = rig.agent_with(&policy(PLAIN, &[]), &mode).unwrap();
        let capture = rig.capture().unwrap();

        // An echo, a closed port of TCP and one of UDP: none of the answers has a socket of the
        // workload.
        ask_for_an_echo(&rig);
        let is_echo = |seen: &Seen| seen.protocol == protocol::ICMP;
        wait::until_true("an echo", PATIENCE, || capture.count(is_echo) == 1).unwrap();
        let refused = rig.world.run(|| Ok(std::net::TcpStream::connect("192.0.2.2:9").is_err()));
        assert!(refused.unwrap());
        let told = rig.world.run(|| {
            let socket = UdpSocket::bind("192.0.2.1:0")?;
            socket.connect("192.0.2.2:9")?;
            socket.send(b"ping")?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket.recv(&mut [0; 16]).unwrap_err().kind())
        });
        assert_eq!(told.unwrap(), std::io::ErrorKind::ConnectionRefused);
        // The same that nobody asked for.
        let insider = rig.insider(&rig.client).unwrap();
        for kind in [0, 3, 11] {
            let echo = Packet::ipv4().from("192.0.2.2").to("198.51.100.9").icmp(kind);
            send_frame(&rig, &insider, &echo);
        }
        assert_eq!(dropped(&agent.status().unwrap(), "no-rule"), 3);
        assert_eq!(capture.count_to(ip("198.51.100.9")), 0);
    }
}

#[test]
fn a_device_that_appears_is_judged_and_one_that_goes_is_missed() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let agent = rig.agent_with(&policy(PLAIN, &[]), &mode).unwrap();
        let targets = || {
            let status = agent.status().unwrap();
            let hooks = status["hooks"].as_array().unwrap().clone();
            let egress =
                hooks.iter().filter(|it| it["hook"] == "tc_egress" && it["attached"] == true);
            egress.map(|it| it["target"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(targets(), [CLIENT_DEVICE]);

        // Without a route it is no way out.
        rig.client
            .configure([
                "link add second type veth peer name far",
                "link add third type veth peer name farther",
                "addr add 198.51.100.1/24 dev second",
                "link set second up",
                "link set far up",
            ])
            .unwrap();
        rig.client.configure(["route add 198.18.0.0/15 via 198.51.100.2 dev second"]).unwrap();
        agent.wait_for_line("an uplink", |line| line.contains("judging an uplink")).unwrap();
        wait::until_true("status", PATIENCE, || targets() == [CLIENT_DEVICE, "second"]).unwrap();
        rig.client.configure(["link del second"]).unwrap();

        agent.wait_for_line("its end", |line| line.contains("an uplink is gone")).unwrap();
        wait::until_true("status", PATIENCE, || targets() == [CLIENT_DEVICE]).unwrap();
    }
}

/// `cargo xtask test newcomer` is the long form, which measures.
#[test]
fn frames_stop_to_pass_when_a_device_becomes_an_uplink_and_sockets_never_reach_it() {
    require_privilege!();
    for mode in ["tcx", "clsact"] {
        if !modes().iter().any(|it| it.contains(&mode)) {
            continue;
        }
        let outcome = Newcomer { devices: 2, tc_mode: Some(mode.to_owned()) }.run().unwrap();
        assert_eq!(outcome.faults(), [""; 0], "{outcome}");
    }
}

#[test]
fn a_device_that_is_named_has_to_be_there() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let mut agent = rig.launch(&policy(PLAIN, &[]), &["--tc", "uplink,eth9"]).unwrap();

    assert!(!agent.wait().unwrap().success());

    let log = agent.log().join("\n");
    assert!(log.contains("no device eth9; there are lo, uplink"), "{log}");
    assert!(!rig.pins().exists() || std::fs::read_dir(rig.pins()).unwrap().next().is_none());
}

#[test]
fn a_named_device_that_goes_is_shown_as_missing_and_judged_when_it_is_back() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let make = ["link add second type veth peer name far", "link set second up"];
    rig.client.configure(make).unwrap();
    let agent = rig.agent_with(&policy(PLAIN, &[]), &["--tc", "uplink,second"]).unwrap();
    let attached = || {
        let status = agent.status().unwrap();
        let hooks = status["hooks"].as_array().unwrap().clone();
        let second = hooks.iter().filter(|it| it["target"] == "second");
        (status["state"].clone(), second.map(|it| it["attached"] == true).collect::<Vec<_>>())
    };
    assert_eq!(attached(), ("enforcing".into(), vec![true, true]));

    rig.client.configure(["link del second"]).unwrap();
    let gone = ("degraded".into(), vec![false, false]);
    wait::until_true("it to be missed", PATIENCE, || attached() == gone).unwrap();
    let problems = agent.status().unwrap()["problems"].to_string();
    assert!(problems.contains("hook tc_egress is not attached to second"), "{problems}");
    rig.client.configure(make).unwrap();

    let back = ("enforcing".into(), vec![true, true]);
    wait::until_true("it to be judged", PATIENCE, || attached() == back).unwrap();
}

#[test]
fn unload_leaves_no_filter_behind() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let mut agent = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();
        agent.kill().unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let capture = rig.capture().unwrap();
        send_frame(&rig, &insider, &datagram(DENIED));
        assert_eq!(capture.count_to(ip(DENIED)), 0, "with the agent dead");

        assert!(agent.cli(&["unload"]).unwrap().status.success());

        send_frame(&rig, &insider, &datagram(DENIED));
        wait_for(&capture, DENIED, 1);
        let shown = rig.client.output(std::process::Command::new("tc").args([
            "filter",
            "show",
            "dev",
            CLIENT_DEVICE,
            "egress",
        ]));
        assert_eq!(String::from_utf8_lossy(&shown.unwrap().stdout), "");
    }
}

#[test]
fn a_second_start_takes_the_uplink_over() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let mut first = rig.agent_with(&policy(PLAIN, &[]), &mode).unwrap();
        first.kill().unwrap();
        let second = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let capture = rig.capture().unwrap();

        send_frame(&rig, &insider, &datagram(ALLOWED));
        send_frame(&rig, &insider, &datagram(DENIED));

        wait_for(&capture, ALLOWED, 1);
        assert_eq!(capture.count_to(ip(DENIED)), 0);
        assert_eq!(total(&second.status().unwrap()), 2);
    }
}

#[test]
fn an_audit_drops_nothing_at_an_uplink() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let agent = rig.agent_with(&policy(&format!("mode: audit\n{PLAIN}"), &[]), AUTO).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let capture = rig.capture().unwrap();

    send_frame(&rig, &insider, &datagram(DENIED));

    wait_for(&capture, DENIED, 1);
    assert_eq!(dropped(&agent.status().unwrap(), "no-rule"), 1);
}
