//! Protocols and ports as a policy writes them: `tcp/443`, `tcp/8000-8010`, `udp/any`, `icmp`,
//! `ip/47`, `any`.

use std::fmt;

use super::{PortRange, PortSpec};

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("any"),
            Self::Tcp(ports) => write!(f, "tcp/{ports}"),
            Self::Udp(ports) => write!(f, "udp/{ports}"),
            Self::Sctp(ports) => write!(f, "sctp/{ports}"),
            Self::Icmp => f.write_str("icmp"),
            Self::Number(number) => write!(f, "ip/{number}"),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (*self.range().start(), *self.range().end());
        if *self == Self::ANY {
            f.write_str("any")
        } else if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first}-{last}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PortRange, PortSpec};

    #[test]
    fn shows_ports_as_a_policy_writes_them() {
        const CASES: &[(PortSpec, &str)] = &[
            (PortSpec::Every, "any"),
            (PortSpec::Tcp(PortRange::only(443)), "tcp/443"),
            (PortSpec::Udp(PortRange::ANY), "udp/any"),
            (PortSpec::Icmp, "icmp"),
            (PortSpec::Number(47), "ip/47"),
        ];
        for (spec, text) in CASES {
            assert_eq!(spec.to_string(), *text);
        }
        let range = PortRange::new(8000, 8010).unwrap();
        assert_eq!(PortSpec::Sctp(range).to_string(), "sctp/8000-8010");
    }
}
