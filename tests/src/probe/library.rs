//! The C library's resolver, with a configuration of the process's own.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::act::{Failure, at};

/// All addresses of a name, as getaddrinfo(3) gives them: it asks for both families at once, from
/// one socket.
pub(super) fn resolve(
    name: &str,
    servers: &[IpAddr],
    port: u16,
) -> Result<Vec<SocketAddr>, Failure> {
    configure(servers)?;
    let found: Vec<_> = (name, port).to_socket_addrs().map_err(at("resolve"))?.collect();
    if found.is_empty() {
        return Err(at("resolve")(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(found)
}

/// Puts a folder in the place of `/etc`, in a mount namespace that ends with the process.
fn configure(servers: &[IpAddr]) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(at("make a mount namespace"))?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .map_err(at("keep mounts private"))?;
    mount(Some("etc"), "/etc", Some("tmpfs"), MsFlags::empty(), nothing)
        .map_err(at("mount another /etc"))?;
    let servers = servers.iter().map(|server| format!("nameserver {server}\n"));
    fs::write("/etc/resolv.conf", servers.collect::<String>()).map_err(at("write resolv.conf"))?;
    fs::write("/etc/nsswitch.conf", "hosts: dns\n").map_err(at("write nsswitch.conf"))
}
