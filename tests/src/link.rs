//! The wire between the client and the world, and who answers at its other end.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    libc,
    sys::socket::{LinkAddr, SockaddrLike as _},
};

use crate::{netns::Netns, wait};

/// The client's address.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The client's address.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 2);
/// The world's end of the wire: the client's gateway.
pub const WORLD_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The world's end of the wire: the client's gateway.
pub const WORLD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1);
/// The device in the client's namespace.
pub const CLIENT_DEVICE: &str = "uplink";
/// The device in the world's namespace.
pub const WORLD_DEVICE: &str = "wire";

/// How long one try to cross the wire may take; a lost packet costs as much.
const TRY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses of the devices, made up (IEEE 802: locally administered).
const CLIENT_HARDWARE: &str = "02:00:00:00:00:02";
const WORLD_HARDWARE: &str = "02:00:00:00:00:01";
/// The address of the world's device, as a frame has it.
pub(crate) const WORLD_HARDWARE_BYTES: [u8; 6] = [2, 0, 0, 0, 0, 1];
const NETWORK_V4: &str = "192.0.2.0/24";
const NETWORK_V6: &str = "2001:db8:0:1::/64";

/// A device, by its index, as a packet socket sends by it: what the packet is called (an
/// `EtherType`), and to whom on its link.
///
/// # Errors
///
/// An index that no device has.
pub fn device_address(index: u32, ethertype: u16, to: [u8; 6]) -> anyhow::Result<LinkAddr> {
    let mut hardware = [0; 8];
    hardware[..6].copy_from_slice(&to);
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET)?,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: i32::try_from(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: hardware,
    };
    let size = u32::try_from(size_of_val(&address))?;
    // SAFETY: an address of a packet socket, and its size.
    unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(size)) }.context("name a device")
}

/// Whether an address is the client's own.
pub fn is_client(address: IpAddr) -> bool {
    address == IpAddr::V4(CLIENT_V4) || address == IpAddr::V6(CLIENT_V6)
}

/// Joins two namespaces: the client's default routes lead into the world, and the world takes
/// every address for its own except those on the wire.
///
/// # Errors
///
/// What `ip` said.
pub fn join(client: &Netns, world: &Netns) -> anyhow::Result<()> {
    // Addresses are usable at once, and no address appears that nobody asked for: probing for
    // duplicates and link-local addresses only add packets.
    for namespace in [client, world] {
        namespace.set("ipv6/conf/default/accept_dad", "0")?;
        namespace.set("ipv6/conf/default/accept_ra", "0")?;
        namespace.set("ipv6/conf/default/addr_gen_mode", "1")?;
    }
    let far = client.path();
    let pair = format!(
        "link add {WORLD_DEVICE} address {WORLD_HARDWARE} type veth \
         peer name {CLIENT_DEVICE} address {CLIENT_HARDWARE} netns {far}"
    );
    world.configure([pair])?;
    for (namespace, device, v4, v6) in
        [(client, CLIENT_DEVICE, CLIENT_V4, CLIENT_V6), (world, WORLD_DEVICE, WORLD_V4, WORLD_V6)]
    {
        namespace.configure([
            format!("addr add {v4}/24 dev {device}"),
            format!("addr add {v6}/64 dev {device} nodad"),
            format!("link set {device} up"),
        ])?;
    }
    client.configure([
        format!("route add default via {WORLD_V4}"),
        format!("-6 route add default via {WORLD_V6}"),
    ])?;
    // An IPv6 source must be an address of a device, unless this is said.
    world.set("ipv6/ip_nonlocal_bind", "1")?;
    // The table `local` is asked first; in it the wire's own network is more specific.
    world.configure([
        format!("route add {NETWORK_V4} dev {WORLD_DEVICE} scope link table local"),
        format!("-6 route add {NETWORK_V6} dev {WORLD_DEVICE} table local"),
        "route add local 0.0.0.0/0 dev lo table local".to_owned(),
        "-6 route add local ::/0 dev lo table local".to_owned(),
    ])?;
    know_each_other(client, world)?;
    wait_until_it_carries(client)
}

/// Each end knows the other for good: while a neighbour is asked whether it is still there, which
/// begins seconds after it was last heard of, datagrams to it can be lost.
fn know_each_other(client: &Netns, world: &Netns) -> anyhow::Result<()> {
    let ends = [
        (client, CLIENT_DEVICE, [IpAddr::V4(WORLD_V4), IpAddr::V6(WORLD_V6)], WORLD_HARDWARE),
        (world, WORLD_DEVICE, [IpAddr::V4(CLIENT_V4), IpAddr::V6(CLIENT_V6)], CLIENT_HARDWARE),
    ];
    for (namespace, device, addresses, hardware) in ends {
        namespace.configure(addresses.map(|address| {
            format!("neigh replace {address} lladdr {hardware} dev {device} nud permanent")
        }))?;
    }
    Ok(())
}

/// The kernel makes a device ready some time after it is up (`net/core/link_watch.c`) and drops
/// what is sent before. A port where nobody listens answers at once when it is.
fn wait_until_it_carries(client: &Netns) -> anyhow::Result<()> {
    for world in [IpAddr::V4(WORLD_V4), IpAddr::V6(WORLD_V6)] {
        let closed = SocketAddr::new(world, 1);
        client.run(|| {
            wait::until_true("the wire to carry", PATIENCE, || {
                TcpStream::connect_timeout(&closed, TRY)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            })
        })?;
    }
    Ok(())
}
