//! Echo request and reply on raw sockets.

use std::{
    io,
    net::IpAddr,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use etherparse::{IcmpEchoHeader, Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, Ipv4Slice};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recvfrom, sendto,
    socket,
};

use super::{
    Outcome,
    act::{Failure, at, destination},
};
use crate::service::set_patience;

const PAYLOAD: &[u8] = b"is anybody there";

/// Asks an address for an echo, and waits for its reply alone: a raw socket sees every message.
pub(super) fn ping(to: IpAddr, patience: Duration) -> Result<Outcome, Failure> {
    let own = IcmpEchoHeader { id: own_id(), seq: 1 };
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
        .map_err(at("make a raw socket"))?;
    set_patience(&socket, Duration::from_millis(20))
        .map_err(|error| at("set a time-out")(io::Error::other(error)))?;
    let request = request(to, own);
    let no_flags = MsgFlags::empty();
    sendto(socket.as_raw_fd(), &request, &destination(to), no_flags).map_err(at("send"))?;

    let deadline = Instant::now() + patience;
    let mut buffer = [0; 2048];
    while Instant::now() < deadline {
        let Ok((length, _)) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer) else {
            continue;
        };
        if reply(to, buffer.get(..length).unwrap_or_default()) == Some(own) {
            return Ok(Outcome::Reached);
        }
    }
    Ok(Outcome::Silence { during: "receive".to_owned() })
}

/// Tells the replies of one process from another's, as ping(8) does.
fn own_id() -> u16 {
    let [.., high, low] = std::process::id().to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn request(to: IpAddr, own: IcmpEchoHeader) -> Vec<u8> {
    let header = match to {
        IpAddr::V4(_) => {
            etherparse::Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(own), PAYLOAD)
                .to_bytes()
                .to_vec()
        }
        // The kernel fills in the checksum, which covers addresses that it chooses (RFC 3542, 3.1).
        IpAddr::V6(_) => {
            etherparse::Icmpv6Header::new(Icmpv6Type::EchoRequest(own)).to_bytes().to_vec()
        }
    };
    [&header, PAYLOAD].concat()
}

/// The identity of an echo reply; an IPv4 raw socket gives the network header too.
fn reply(to: IpAddr, bytes: &[u8]) -> Option<IcmpEchoHeader> {
    match to {
        IpAddr::V4(_) => {
            let packet = Ipv4Slice::from_slice(bytes).ok()?;
            let message = Icmpv4Slice::from_slice(packet.payload().payload).ok()?.icmp_type();
            if let Icmpv4Type::EchoReply(echo) = message { Some(echo) } else { None }
        }
        IpAddr::V6(_) => {
            let message = Icmpv6Slice::from_slice(bytes).ok()?.icmp_type();
            if let Icmpv6Type::EchoReply(echo) = message { Some(echo) } else { None }
        }
    }
}
