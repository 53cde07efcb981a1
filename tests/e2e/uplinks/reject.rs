//! Whoever sends by the node without a socket on it is told that a packet is not let out, where
//! the policy says so.

use std::{
    io,
    net::{SocketAddr, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use enforcer_tests::{Netns, Packet, Peer, Rig, packet::protocol, require_privilege, wait};
use etherparse::{Icmpv4Type, SlicedPacket, TransportSlice, icmpv4};
use nix::{
    libc,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv,
            sendto, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use super::{ALLOWED, DENIED, RULE};
use crate::{
    pod::{masquerade, pod},
    world::{PATIENCE, PLAIN, dropped, ip, modes, policy},
};

const DENIED_V6: &str = "2001:db8:66::66";
const POD_V6: &str = "fd00:244::2";
const REJECT: &str = "forwarded: {denied: reject}";
/// How long an answer may take: all of it is one machine's work.
const SHORT: Duration = Duration::from_millis(500);

/// A namespace behind the node that has IPv6 as well.
fn pod_of_both(rig: &Rig) -> Netns {
    let pod = pod(rig);
    rig.client.set("ipv6/conf/all/forwarding", "1").unwrap();
    // A neighbour is asked from an address of the link (`ndisc_send_ns`, net/ipv6/ndisc.c).
    rig.client
        .configure(["addr add fd00:244::1/64 dev pod nodad", "addr add fe80::1/64 dev pod nodad"])
        .unwrap();
    pod.configure([
        "addr add fd00:244::2/64 dev eth0 nodad",
        "addr add fe80::2/64 dev eth0 nodad",
        "-6 route add default via fd00:244::1",
    ])
    .unwrap();
    masquerade(rig, "ip6");
    pod
}

fn connect(pod: &Netns, to: &str) -> io::ErrorKind {
    let to = SocketAddr::new(ip(to), 443);
    let connected = pod.run(|| Ok(TcpStream::connect_timeout(&to, SHORT)));
    connected.unwrap().unwrap_err().kind()
}

/// What a connected datagram socket hears; `None`: nothing.
fn ask(pod: &Netns, to: &str) -> Option<i32> {
    let to = SocketAddr::new(ip(to), 443);
    let heard = pod.run(|| {
        let from = if to.is_ipv4() { "10.244.0.2:0".to_owned() } else { format!("[{POD_V6}]:0") };
        let socket = UdpSocket::bind(from)?;
        socket.set_read_timeout(Some(SHORT))?;
        socket.connect(to)?;
        socket.send(b"ping")?;
        Ok(socket.recv(&mut [0; 16]))
    });
    let error = heard.unwrap().unwrap_err();
    Some(error.raw_os_error().unwrap()).filter(|number| *number != libc::EAGAIN)
}

#[test]
fn whoever_is_forwarded_is_told_at_once_where_the_policy_says_so() {
    require_privilege!();
    for mode in modes() {
        let rig = Rig::make().unwrap();
        let _peer = Peer::tcp(&rig.world, 443).unwrap();
        let pod = pod_of_both(&rig);
        // The first ones may go while the new devices are not ready.
        for to in [DENIED, DENIED_V6] {
            let to = SocketAddr::new(ip(to), 443);
            let reaches = || pod.run(|| Ok(TcpStream::connect_timeout(&to, SHORT)?)).is_ok();
            wait::until_true("control, without enforcer", PATIENCE, reaches).unwrap();
        }
        let agent = rig.agent_with(&policy(PLAIN, &[RULE]), &mode).unwrap();
        let capture = rig.capture().unwrap();

        for to in [DENIED, DENIED_V6] {
            assert_eq!(connect(&pod, to), io::ErrorKind::TimedOut, "silent");
            assert_eq!(ask(&pod, to), None, "silent");
        }
        let settings = format!("{PLAIN}\n{REJECT}");
        agent.write_policy(&policy(&settings, &[RULE])).unwrap();
        agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();
        let silent = dropped(&agent.status().unwrap(), "no-rule");
        for (to, told) in [(DENIED, libc::EHOSTUNREACH), (DENIED_V6, libc::EACCES)] {
            assert_eq!(connect(&pod, to), io::ErrorKind::ConnectionRefused, "{to}");
            assert_eq!(ask(&pod, to), Some(told), "{to}");
        }
        // Addresses of its own on the wire.
        let flush = rig.client.output(std::process::Command::new("nft").args(["flush", "ruleset"]));
        assert!(flush.unwrap().status.success());
        for (to, told) in [(DENIED, libc::EHOSTUNREACH), (DENIED_V6, libc::EACCES)] {
            assert_eq!(connect(&pod, to), io::ErrorKind::ConnectionRefused, "{to}");
            assert_eq!(ask(&pod, to), Some(told), "{to}");
        }

        // A packet each: nobody has had to try again.
        assert_eq!(dropped(&agent.status().unwrap(), "no-rule") - silent, 8);
        assert_eq!(
            capture.count(|seen| [ip(DENIED), ip(DENIED_V6)].contains(&seen.destination)),
            0
        );
    }
}

#[test]
fn what_is_allowed_is_not_disturbed() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let pod = pod(&rig);
    let settings = format!("{PLAIN}\n{REJECT}");
    let _agent = rig.agent_with(&policy(&settings, &[RULE]), &["--tc", "auto"]).unwrap();

    let to = SocketAddr::new(ip(ALLOWED), 443);
    let reaches = || pod.run(|| Ok(TcpStream::connect_timeout(&to, SHORT)?)).is_ok();
    wait::until_true("a connection", PATIENCE, reaches).unwrap();
}

#[test]
fn an_audit_tells_nobody() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let pod = pod(&rig);
    let settings = format!("mode: audit\n{PLAIN}\n{REJECT}");
    let _agent = rig.agent_with(&policy(&settings, &[]), &["--tc", "auto"]).unwrap();

    let to = SocketAddr::new(ip(DENIED), 443);
    let reaches = || pod.run(|| Ok(TcpStream::connect_timeout(&to, SHORT)?)).is_ok();
    wait::until_true("a connection", PATIENCE, reaches).unwrap();
}

/// Sends a packet as it is, and hears what comes back: packets of IPv4 from `DENIED`.
struct Raw {
    sender: OwnedFd,
    listener: OwnedFd,
}

impl Raw {
    fn make(pod: &Netns) -> Self {
        let make = || {
            let flags = SockFlag::SOCK_CLOEXEC;
            let sender =
                socket(AddressFamily::Inet, SockType::Raw, flags, Some(SockProtocol::Raw))?;
            let kind = SockType::Datagram;
            let listener = socket(AddressFamily::Packet, kind, flags, SockProtocol::EthAll)?;
            setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::milliseconds(300))?;
            Ok(Self { sender, listener })
        };
        pod.run(make).unwrap()
    }

    fn send(&self, packet: &Packet) -> Option<Vec<u8>> {
        let to = SockaddrStorage::from(SocketAddr::new(ip(DENIED), 0));
        sendto(self.sender.as_raw_fd(), &packet.bytes(), &to, MsgFlags::empty()).unwrap();
        let mut bytes = vec![0; 2_000];
        loop {
            let length = recv(self.listener.as_raw_fd(), &mut bytes, MsgFlags::empty()).ok()?;
            if bytes[0] == 0x45 && bytes[12..16] == [203, 0, 113, 66] {
                bytes.truncate(length);
                return Some(bytes);
            }
        }
    }
}

#[test]
fn an_answer_is_whole_and_none_is_answered() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let pod = pod(&rig);
    let flush = rig.client.output(std::process::Command::new("nft").args(["flush", "ruleset"]));
    assert!(flush.unwrap().status.success());
    let settings = format!("{PLAIN}\n{REJECT}");
    let agent = rig.agent_with(&policy(&settings, &[]), &["--tc", "auto"]).unwrap();
    let raw = Raw::make(&pod);
    let packet = || Packet::ipv4().from("10.244.0.2").to(DENIED);

    let hears = || raw.send(&packet().tcp(443)).is_some();
    wait::until_true("the device to be ready", PATIENCE, hears).unwrap();
    let reset = raw.send(&packet().tcp(443)).unwrap();
    let sliced = SlicedPacket::from_ip(&reset).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("{sliced:?}") };
    let header = tcp.to_header();
    let right = header.calc_checksum_ipv4_raw([203, 0, 113, 66], [10, 244, 0, 2], &[]).unwrap();
    assert!(tcp.rst());
    assert_eq!(tcp.checksum(), right);

    for refused in [packet().udp(443).payload(&[7; 900]), packet().sctp(9), packet().icmp(8)] {
        let told = raw.send(&refused).unwrap();
        let sliced = SlicedPacket::from_ip(&told).unwrap();
        let Some(TransportSlice::Icmpv4(error)) = &sliced.transport else { panic!("{sliced:?}") };
        let prohibited = icmpv4::DestUnreachableHeader::FilterProhibited;
        assert_eq!(error.icmp_type(), Icmpv4Type::DestinationUnreachable(prohibited));
        assert_eq!(error.checksum(), error.icmp_type().calc_checksum(error.payload()));
    }

    let before = dropped(&agent.status().unwrap(), "no-rule");
    let mut answers = [packet().icmp(3), packet().icmp(11), packet().icmp(0)].to_vec();
    answers.push(packet().protocol(protocol::TCP).payload(&reset_of_a_sender()));
    for answer in &answers {
        assert_eq!(raw.send(answer), None, "{answer:?}");
    }
    assert_eq!(dropped(&agent.status().unwrap(), "no-rule") - before, 4);
}

/// A header of TCP whose flag is RST.
fn reset_of_a_sender() -> [u8; 20] {
    let mut header = [0; 20];
    header[..4].copy_from_slice(&[0x9c, 0x40, 0x01, 0xbb]);
    header[12..14].copy_from_slice(&[0x50, 4]);
    header
}
