//! Where messages begin on a connection, told wrong by a segment that is not the resolver's.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
};

use enforcer_common::measure;
use enforcer_tests::{Packet, Rig, packet::protocol, require_privilege, wait};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};

use super::{
    WILD,
    forged::send_on_loopback,
    resolver,
    stream::{ask_for_both, send_segment, text_with_imitation},
    succeeds_only_without,
};
use crate::world::{PATIENCE, PLAIN, policy};

const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;

/// A socket that sees every packet of the client.
fn sniffer(rig: &Rig) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let make = || socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll);
    rig.client.run(|| Ok(make()?)).unwrap()
}

/// The sequence number of the first byte that a server sends to a port.
fn first_byte(sniffer: &OwnedFd, port: u16) -> u32 {
    let mut buffer = [0; 2048];
    wait::until("a server to accept", PATIENCE, || {
        let (length, _) = recvfrom::<LinkAddr>(sniffer.as_raw_fd(), &mut buffer).ok()?;
        let segment = buffer.get(20..length).filter(|segment| segment.len() >= 20)?;
        let is_it = buffer[9] == protocol::TCP
            && segment[13] & SYN_ACK == SYN_ACK
            && segment[2..4] == port.to_be_bytes();
        let sequence = u32::from_be_bytes(segment[4..8].try_into().unwrap());
        is_it.then_some(sequence.wrapping_add(1))
    })
    .unwrap()
}

/// A segment of the resolver that says that a message of `length` bytes begins. Its checksum is
/// wrong: the connection never sees it, which the hook at its socket is asked before.
fn false_segment(to: SocketAddr, sequence: u32, length: usize) -> Vec<u8> {
    let mut segment = [resolver().port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 5 << 4, ACK, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(u16::try_from(length).unwrap().to_be_bytes());
    // A short one's checksum is looked at at once (`CHECKSUM_BREAK`, include/linux/skbuff.h).
    segment.extend([0; 80]);
    let (from, to) = (resolver().ip().to_string(), to.ip().to_string());
    Packet::ipv4().from(&from).to(&to).protocol(protocol::TCP).payload(&segment).bytes()
}

/// Has an honest segment border inside a text taken for the beginning of a message; the connection
/// is made ready for the false segment, and for the honest ones behind it.
fn shift(rig: &Rig, prepare: impl Fn(&mut TcpStream), restore: impl Fn(&mut TcpStream)) {
    let sniffer = sniffer(rig);
    let listener = rig.world.run(|| Ok(TcpListener::bind(resolver())?)).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let mut client = insider.stream(resolver()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_nodelay(true).unwrap();
    let own = client.local_addr().unwrap();
    ask_for_both(&mut client, &mut server);

    let (answer, imitation) = text_with_imitation();
    let sequence = first_byte(&sniffer, own.port());
    prepare(&mut client);
    send_on_loopback(&insider, &false_segment(own, sequence, imitation.start - 2));
    restore(&mut client);
    let (before, from_there) = answer.split_at(imitation.start);
    send_segment(&mut server, &mut client, before);
    send_segment(&mut server, &mut client, from_there);
}

#[test]
fn a_segment_by_another_path_does_not_say_where_messages_begin() {
    require_privilege!();
    let attack = |rig: &Rig| shift(rig, |_| {}, |_| {});
    succeeds_only_without(measure::PATH, &policy(PLAIN, &[WILD]), attack);
}

/// Sends on by another device; what is sent is nothing that the server would answer.
fn go_by(client: &mut TcpStream, device: &str) {
    setsockopt(client, sockopt::BindToDevice, &device.into()).unwrap();
    client.write_all(&[0]).unwrap();
}

#[test]
fn a_connection_that_went_over_loopback_for_a_while_does_not_say_where_messages_begin() {
    require_privilege!();
    let attack = |rig: &Rig| shift(rig, |client| go_by(client, "lo"), |client| go_by(client, ""));
    succeeds_only_without(measure::PATH, &policy(PLAIN, &[WILD]), attack);
}
