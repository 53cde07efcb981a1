//! The policy that packets are judged by, once as the agent reads it and once as plain code.

use std::net::IpAddr;

/// The policy. Who comes first decides.
pub(super) const TEXT: &str = "
apiVersion: enforcer.dev/v1alpha1
kind: EgressPolicy
metadata: {name: malformed}
spec:
  rules:
    - {name: no, action: deny, to: [{cidr: 198.51.100.66}, {cidr: '2001:db8::66'}]}
    - name: web
      to: [{cidr: 198.51.100.0/24}, {cidr: '2001:db8::/64'}]
      ports: [tcp/443, udp/443, sctp/5000-5010, icmp]
    - {name: all, to: [{cidr: 192.0.2.0/24}, {cidr: '2001:db8:7::/48'}], ports: [any]}
";

/// The rules' names, in their order.
pub(super) const NAMES: [&str; 3] = ["no", "web", "all"];
/// The rule that denies.
pub(super) const DENYING: usize = 0;
const WEB: usize = 1;
const ALL: usize = 2;

/// The trusted resolvers; both at port 53.
pub(super) const RESOLVERS: [&str; 2] = ["203.0.113.53", "2001:db8:53::53"];

/// The rule for a destination, an IP protocol and the destination port, which is 0 where the
/// protocol has none.
pub(super) fn rule(destination: IpAddr, protocol: u8, port: u16) -> Option<usize> {
    let (is_denied, is_web, is_all) = match destination {
        IpAddr::V4(address) => match address.octets() {
            [198, 51, 100, last] => (last == 66, true, false),
            [192, 0, 2, _] => (false, false, true),
            _ => (false, false, false),
        },
        IpAddr::V6(address) => match address.segments() {
            [0x2001, 0xdb8, 0, 0, rest @ ..] => (rest == [0, 0, 0, 0x66], true, false),
            [0x2001, 0xdb8, 7, ..] => (false, false, true),
            _ => (false, false, false),
        },
    };
    let is_web_port = match protocol {
        6 | 17 => port == 443,
        132 => (5000..=5010).contains(&port),
        1 | 58 => true,
        _ => false,
    };
    match (is_denied, is_web && is_web_port, is_all) {
        (true, ..) => Some(DENYING),
        (_, true, _) => Some(WEB),
        (.., true) => Some(ALL),
        _ => None,
    }
}

/// Whether it is the DNS service of a trusted resolver.
pub(super) fn is_resolver(destination: IpAddr, port: u16) -> bool {
    port == 53 && RESOLVERS.iter().any(|it| it.parse() == Ok(destination))
}
