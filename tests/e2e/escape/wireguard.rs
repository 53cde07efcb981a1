//! What `wg(8)` does, by generic netlink: gives a device a key and a peer.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
        socket,
    },
};

use super::ground::Ground;

const REQUEST_AND_ACK: u16 = 5;
/// The controller of generic netlink (`include/uapi/linux/genetlink.h`).
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// Of the device and its peers (`include/uapi/linux/wireguard.h`).
const SET_DEVICE: u8 = 1;
const DEVICE_NAME: u16 = 2;
const DEVICE_KEY: u16 = 3;
const DEVICE_PEERS: u16 = 8;
const PEER_KEY: u16 = 1;
const PEER_ENDPOINT: u16 = 4;
const PEER_ALLOWED: u16 = 9;
const ALLOWED_FAMILY: u16 = 1;
const ALLOWED_ADDRESS: u16 = 2;
const ALLOWED_LENGTH: u16 = 3;
const NESTED: u16 = 0x8000;
/// Headers of netlink and of generic netlink.
const HEADERS_BYTES: usize = 20;
const KEY: [u8; 32] = [7; 32];
/// The base point of Curve25519 (RFC 7748, 4.1): a key as good as any for who never answers.
const PEER: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 9;
    point
};

/// Has all that goes into a device go to a peer.
pub(super) fn lead(ground: &Ground<'_>, device: &str, to: SocketAddr) -> anyhow::Result<()> {
    let IpAddr::V4(address) = to.ip() else { panic!("{to} is no address of IPv4") };
    let family = u16::try_from(libc::AF_INET)?;
    let mut endpoint = family.to_ne_bytes().to_vec();
    endpoint.extend(to.port().to_be_bytes());
    endpoint.extend(address.octets());
    endpoint.resize(size_of::<libc::sockaddr_in>(), 0);
    let everything = [
        attribute(ALLOWED_FAMILY, &family.to_ne_bytes()),
        attribute(ALLOWED_ADDRESS, &[0; 4]),
        attribute(ALLOWED_LENGTH, &[0]),
    ];
    let allowed = attribute(NESTED | PEER_ALLOWED, &attribute(NESTED, &everything.concat()));
    let peer = [attribute(PEER_KEY, &PEER), attribute(PEER_ENDPOINT, &endpoint), allowed];
    let peers = attribute(NESTED | DEVICE_PEERS, &attribute(NESTED, &peer.concat()));
    let name = attribute(DEVICE_NAME, &[device.as_bytes(), &[0]].concat());
    let request = [name, attribute(DEVICE_KEY, &KEY), peers].concat();
    ground.rig.client.run(|| {
        let wanted = attribute(FAMILY_NAME, b"wireguard\0");
        let answer = ask(CONTROLLER, GET_FAMILY, &wanted)?;
        let family = number_of_family(&answer).context("find WireGuard's family")?;
        ask(family, SET_DEVICE, &request).map(drop).context("set up WireGuard")
    })
}

/// An attribute, filled up to whole words.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends a request and reads the first answer.
fn ask(family: u16, command: u8, attributes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let socket = socket(AddressFamily::Netlink, kind, flags, SockProtocol::NetlinkGeneric)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let length = u32::try_from(HEADERS_BYTES + attributes.len())?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend(attributes);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = vec![0; 8_192];
    let read = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(read);
    let number = |at: usize| i32::from_ne_bytes(answer[at..at + 4].try_into().unwrap());
    let is_error = i32::from(u16::from_ne_bytes(answer[4..6].try_into()?)) == libc::NLMSG_ERROR;
    if is_error && number(16) != 0 {
        return Err(Errno::from_raw(-number(16))).context("ask by netlink");
    }
    Ok(answer)
}

fn number_of_family(answer: &[u8]) -> Option<u16> {
    let mut rest = answer.get(HEADERS_BYTES..)?;
    loop {
        let half = |at: usize| Some(u16::from_ne_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        if half(2)? == FAMILY_ID {
            return half(4);
        }
        rest = rest.get(usize::from(half(0)?).next_multiple_of(4).max(4)..)?;
    }
}
