//! Which servers are trusted, and which are asked.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    path::{Path, PathBuf},
};

use crate::policy::ResolverSpec;

const DNS: u16 = 53;
/// resolv.conf(5): the C library reads no more (`MAXNS`, resolv.h). systemd-resolved asks all that
/// its own file names.
const MAX_SERVERS: usize = 3;
const INTERFACES: &str = "/sys/class/net";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved writes the servers behind its stub (systemd-resolved.service(8)).
const UPSTREAMS: &str = "/run/systemd/resolve/resolv.conf";
/// Addresses of the stub.
const STUBS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];

/// The servers of a policy on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// Those whose service may be reached by anybody, sorted.
    pub trusted: Vec<SocketAddr>,
    /// Those that the agent asks, in order.
    pub asked: Vec<SocketAddr>,
}

/// Why a policy's servers are not known.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// The file could not be read.
    #[error("read {}: name addresses under dns.resolvers, or provide the file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It names no server.
    #[error(
        "{} has no nameserver line: name addresses under dns.resolvers, or add a line",
        path.display()
    )]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// Finds the servers that a policy names.
///
/// # Errors
///
/// [`ServersError`] where `system` is asked for and tells none.
pub fn servers(specs: &[ResolverSpec]) -> Result<Servers, ServersError> {
    servers_from(specs, Path::new(RESOLV_CONF), Path::new(UPSTREAMS))
}

fn servers_from(
    specs: &[ResolverSpec],
    resolv_conf: &Path,
    upstreams: &Path,
) -> Result<Servers, ServersError> {
    let (mut trusted, mut asked) = (Vec::new(), Vec::new());
    for spec in specs {
        match spec {
            ResolverSpec::Address { address, port } => {
                asked.push(SocketAddr::new(*address, *port));
            }
            ResolverSpec::System => {
                let text = read(resolv_conf)?;
                let before = asked.len();
                asked.extend(name_servers(&text).take(MAX_SERVERS));
                if asked.len() == before {
                    return Err(ServersError::None { path: resolv_conf.to_owned() });
                }
            }
        }
    }
    if asked.iter().any(|server| STUBS.contains(&server.ip())) {
        // What the stub asks leaves the node too. Without the file it has none yet.
        let behind = fs::read_to_string(upstreams).unwrap_or_default();
        trusted.extend(name_servers(&behind));
        trusted.extend(STUBS.map(|stub| SocketAddr::new(stub, DNS)));
    }
    trusted.extend(&asked);
    trusted.sort_unstable();
    trusted.dedup();
    Ok(Servers { trusted, asked })
}

fn read(path: &Path) -> Result<String, ServersError> {
    fs::read_to_string(path).map_err(|source| ServersError::Read { path: path.to_owned(), source })
}

/// The `nameserver` lines of a resolv.conf(5), as the C library reads them: the keyword at the
/// start of a line, and one address.
fn name_servers(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(|line| {
        let rest = line.strip_prefix("nameserver")?;
        let server = rest.starts_with([' ', '\t']).then(|| rest.split_whitespace().next())??;
        let (address, zone) = server.split_once('%').unwrap_or((server, ""));
        Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
            // Without its zone a link-local address is nowhere (RFC 4007, 6).
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                SocketAddrV6::new(address, DNS, 0, interface(zone)).into()
            }
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => SocketAddr::new(address, DNS),
        })
    })
}

/// The index of an interface by name or number; 0, which is none, for one that is not there.
fn interface(zone: &str) -> u32 {
    let is_name = !zone.is_empty() && !zone.contains('/');
    let index = || fs::read_to_string(Path::new(INTERFACES).join(zone).join("ifindex")).ok();
    let named = if is_name { index() } else { None };
    zone.parse().ok().or_else(|| named?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resolv_conf: &str, upstreams: Option<&str>, specs: &[ResolverSpec]) -> Servers {
        let folder = std::env::temp_dir().join(format!(
            "enforcer-servers-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&folder).unwrap();
        let (conf, behind) = (folder.join("resolv.conf"), folder.join("upstreams.conf"));
        fs::write(&conf, resolv_conf).unwrap();
        if let Some(text) = upstreams {
            fs::write(&behind, text).unwrap();
        }
        let servers = servers_from(specs, &conf, &behind).unwrap();
        fs::remove_dir_all(folder).unwrap();
        servers
    }

    #[test]
    fn reads_nameserver_lines_as_the_c_library_does() {
        let text = "# nameserver 192.0.2.66\n nameserver 192.0.2.67\nnameserver 192.0.2.1 trailing\n\
                    nameserver\t2001:db8::1%eth0\nnameserverx 192.0.2.68\nnameserver bad\n\
                    nameserver 192.0.2.2\nnameserver 192.0.2.3\n";

        let servers = check(text, None, &[ResolverSpec::System]);

        let expected = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"];
        assert_eq!(servers.asked, expected.map(|text| text.parse().unwrap()));
    }

    #[test]
    fn trusts_the_upstreams_of_a_stub_and_asks_the_stub() {
        let servers = check(
            "nameserver 127.0.0.53\n",
            Some("nameserver 192.0.2.9\n"),
            &[ResolverSpec::System],
        );

        assert_eq!(servers.asked, ["127.0.0.53:53".parse().unwrap()]);
        assert!(servers.trusted.contains(&"192.0.2.9:53".parse().unwrap()));
    }

    #[test]
    fn trusts_every_upstream_and_both_addresses_of_a_stub_that_a_policy_names() {
        let stub = ResolverSpec::Address { address: STUBS[0], port: 53 };
        let upstreams = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n\
                         nameserver 192.0.2.4\n";

        let servers = check("nameserver 192.0.2.66\n", Some(upstreams), &[stub]);

        assert_eq!(servers.asked, ["127.0.0.53:53".parse().unwrap()]);
        let expected = [
            "127.0.0.53:53",
            "127.0.0.54:53",
            "192.0.2.1:53",
            "192.0.2.2:53",
            "192.0.2.3:53",
            "192.0.2.4:53",
        ];
        assert_eq!(servers.trusted, expected.map(|text| text.parse().unwrap()));
    }

    #[test]
    fn keeps_the_zone_of_a_link_local_server() {
        let zones = check(
            "nameserver fe80::1%lo\nnameserver fe80::2%7\nnameserver fe80::3%../lo\n",
            None,
            &[ResolverSpec::System],
        );

        let scopes = zones.asked.iter().map(|server| match server {
            SocketAddr::V6(server) => server.scope_id(),
            SocketAddr::V4(_) => panic!("{server}"),
        });
        // The loopback interface is the first of every network namespace.
        assert_eq!(scopes.collect::<Vec<_>>(), [1, 7, 0]);
    }

    #[test]
    fn trusts_no_upstreams_without_a_stub() {
        let servers = check(
            "nameserver 192.0.2.1\n",
            Some("nameserver 192.0.2.9\n"),
            &[ResolverSpec::System],
        );

        assert_eq!(servers.trusted, ["192.0.2.1:53".parse().unwrap()]);
    }

    #[test]
    fn says_that_a_file_names_no_server() {
        let missing = Path::new("/nonexistent/resolv.conf");
        let error = servers_from(&[ResolverSpec::System], missing, missing).unwrap_err();

        assert!(error.to_string().contains("dns.resolvers"), "{error}");
    }
}
