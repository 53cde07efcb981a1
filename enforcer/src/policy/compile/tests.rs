//! The compiled tables against a first-match walk over the policy as it is written.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use enforcer_common::{
    address::Address,
    decide::{Match, decide},
    packet::{Packet, Piece, protocol},
    verdict::{Reason, Verdict},
};
use ipnet::IpNet;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{CompileError, Offline, Slots, Tables, compile};
use crate::{
    fqdn::{DomainName, Pattern},
    policy::{
        Action, Bypass, DnsSettings, Endpoint, Mode, Origin, Policy, PortRange, PortSpec,
        ResolverSpec, Rule,
    },
    workload::WorkloadSelector,
};

/// Every name of the small world, with the addresses it stands for.
const NAMES: [(&str, &[&str]); 5] = [
    ("a.example.com", &["192.0.2.1", "2001:db8::1"]),
    ("b.example.com", &["192.0.2.2"]),
    ("x.b.example.com", &["192.0.2.2", "192.0.2.3"]),
    ("evilexample.com", &["192.0.2.9"]),
    ("example.com", &["2001:db8::2"]),
];
const PATTERNS: [&str; 7] = [
    "a.example.com",
    "b.example.com",
    "example.com",
    "*.example.com",
    "*.b.example.com",
    "evil*.com",
    "*.com",
];
const PREFIXES: [&str; 12] = [
    "0.0.0.0/0",
    "192.0.2.0/24",
    "192.0.2.0/30",
    "192.0.2.1/32",
    "192.0.2.2/31",
    "192.0.2.128/25",
    "198.51.100.0/24",
    "::/0",
    "2001:db8::/32",
    "2001:db8::/127",
    "2001:db8::1/128",
    "2001:db8::2/127",
];
const ADDRESSES: [&str; 12] = [
    "192.0.2.0",
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.9",
    "192.0.2.200",
    "198.51.100.7",
    "203.0.113.1",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8:ffff::1",
    "2001:db9::1",
];
const PORTS: [u16; 8] = [0, 1, 53, 443, 444, 8000, 8010, 65535];
const PROTOCOLS: [u8; 6] =
    [protocol::TCP, protocol::UDP, protocol::SCTP, protocol::ICMP, protocol::ICMPV6, 47];
const CGROUPS: [&str; 5] = ["/", "/a", "/a/b", "/ab", "/c"];

fn any_port_range() -> impl Strategy<Value = PortRange> {
    (select(&PORTS[..]), select(&PORTS[..]))
        .prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap())
}

fn any_port_spec() -> impl Strategy<Value = PortSpec> {
    prop_oneof![
        1 => Just(PortSpec::Every),
        4 => any_port_range().prop_map(PortSpec::Tcp),
        3 => any_port_range().prop_map(PortSpec::Udp),
        1 => any_port_range().prop_map(PortSpec::Sctp),
        1 => Just(PortSpec::Icmp),
        1 => Just(PortSpec::Number(47)),
    ]
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let fqdn = select(&PATTERNS[..]).prop_map(|text| Endpoint::Fqdn {
        pattern: Pattern::parse(text, None).unwrap(),
        line: 1,
        column: 1,
    });
    let cidr =
        (select(&PREFIXES[..]), vec(select(&PREFIXES[..]), 0..3)).prop_map(|(text, holes)| {
            let prefix = text.parse::<IpNet>().unwrap().trunc();
            let inside = holes.iter().map(|hole| hole.parse::<IpNet>().unwrap().trunc());
            let mut except: Vec<_> =
                inside.filter(|hole| prefix.contains(hole) && *hole != prefix).collect();
            except = IpNet::aggregate(&except);
            except.sort();
            Endpoint::Cidr { prefix, except, line: 1, column: 1 }
        });
    prop_oneof![fqdn, cidr]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        prop_oneof![3 => Just(Action::Allow), 1 => Just(Action::Deny)],
        vec(select(&CGROUPS[1..]), 0..2),
        vec(any_endpoint(), 1..4),
        vec(any_port_spec(), 1..3),
    )
        .prop_map(|(action, from, to, ports)| Rule {
            name: String::new(),
            action,
            from: from.iter().map(|path| WorkloadSelector::Cgroup((*path).to_owned())).collect(),
            to,
            ports,
            allow_private_answers: true,
            origin: Origin { preset: None, line: 1, column: 1 },
        })
}

fn policy(rules: Vec<Rule>) -> Policy {
    let numbered = rules.into_iter().enumerate();
    Policy {
        name: "test".to_owned(),
        mode: Mode::Enforce,
        dns: DnsSettings {
            resolvers: vec![ResolverSpec::System],
            min_ttl: Duration::from_secs(60),
            max_ttl: Duration::from_secs(3_600),
            grace: Duration::from_secs(60),
            stale_ttl: Duration::from_secs(3_600),
            nat64: vec![],
        },
        virtual_ranges: None,
        bypass: Bypass::default(),
        rejects_forwarded: false,
        rules: numbered.map(|(index, rule)| Rule { name: format!("r{index}"), ..rule }).collect(),
    }
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    to: IpAddr,
    protocol: u8,
    port: u16,
    cgroup: &'static str,
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (select(&ADDRESSES[..]), select(&PROTOCOLS[..]), select(&PORTS[..]), select(&CGROUPS[..]))
        .prop_map(|(to, protocol, port, cgroup)| Sent {
            to: to.parse().unwrap(),
            protocol,
            port,
            cgroup,
        })
}

/// First match, read off the policy: no mask, no table, no slot.
fn naive(policy: &Policy, sent: &Sent) -> Option<usize> {
    policy.rules.iter().position(|rule| {
        let from = rule.from.is_empty()
            || rule.from.iter().any(|selector| {
                let WorkloadSelector::Cgroup(path) = selector else { return false };
                sent.cgroup == path || sent.cgroup.starts_with(&format!("{path}/"))
            });
        let to = rule.to.iter().any(|endpoint| match endpoint {
            Endpoint::Cidr { prefix, except, .. } => {
                prefix.contains(&sent.to) && !except.iter().any(|hole| hole.contains(&sent.to))
            }
            Endpoint::Fqdn { pattern, .. } => NAMES.iter().any(|(name, addresses)| {
                pattern.matches(&DomainName::parse(name).unwrap())
                    && addresses.iter().any(|address| address.parse() == Ok(sent.to))
            }),
        });
        let ports = rule.ports.iter().any(|spec| match spec {
            PortSpec::Every => true,
            PortSpec::Tcp(range) => sent.protocol == 6 && range.range().contains(&sent.port),
            PortSpec::Udp(range) => sent.protocol == 17 && range.range().contains(&sent.port),
            PortSpec::Sctp(range) => sent.protocol == 132 && range.range().contains(&sent.port),
            PortSpec::Icmp => sent.protocol == 1 || sent.protocol == 58,
            PortSpec::Number(number) => sent.protocol == *number,
        });
        from && to && ports
    })
}

fn packet(sent: &Sent) -> Packet {
    let source = match sent.to {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    Packet {
        transport: 20,
        source: source.into(),
        destination: sent.to.into(),
        id: 0,
        length: 100,
        source_port: 40_000,
        destination_port: sent.port,
        protocol: sent.protocol,
        hop_limit: 64,
        is_v6: sent.to.is_ipv6(),
        piece: Piece::WHOLE,
    }
}

/// With the addresses of every name learned, as the agent and the kernel do.
fn offline<'a>(tables: &'a Tables, sent: &Sent) -> Offline<'a> {
    let mut offline = Offline::new(tables);
    for (name, addresses) in NAMES {
        let rules = tables.names.rules(&DomainName::parse(name).unwrap());
        for address in addresses {
            offline.learn(Address::from(address.parse::<IpAddr>().unwrap()), rules);
        }
    }
    offline.send_from(sent.cgroup);
    offline
}

fn check(policy: &Policy, tables: &Tables, sent: &Sent) {
    let decision = decide(&offline(tables, sent), &packet(sent), false, 1);

    let expected = match naive(policy, sent) {
        Some(index) => {
            let verdict = match policy.rules[index].action {
                Action::Allow => Verdict::Allow,
                Action::Deny => Verdict::Deny,
            };
            (verdict, Reason::Rule, Match::rule(tables.slots[index]))
        }
        None => (Verdict::Deny, Reason::NoRule, Match::NOTHING),
    };
    assert_eq!((decision.verdict, decision.reason, decision.by), expected, "{sent:?}\n{policy:#?}");
}

mod ranges;

proptest! {
    // 512 policies with 32 packets each: 16,384 verdicts.
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn decides_as_a_first_match_walk_does(
        rules in vec(any_rule(), 0..24),
        packets in vec(any_sent(), 32),
    ) {
        let policy = policy(rules);
        let tables = compile(&policy, &[], &mut Slots::default()).unwrap();

        for sent in &packets {
            check(&policy, &tables, sent);
        }
    }

    #[test]
    fn decides_alike_after_reloads_that_keep_slots(
        first in vec(any_rule(), 0..12),
        second in vec(any_rule(), 0..12),
        packets in vec(any_sent(), 16),
    ) {
        let mut slots = Slots::default();
        compile(&policy(first.clone()), &[], &mut slots).unwrap();
        // The second policy keeps some rules of the first, in another order.
        let kept = first.into_iter().rev().step_by(2).chain(second).collect();
        let policy = policy(kept);
        let tables = compile(&policy, &[], &mut slots).unwrap();

        for sent in &packets {
            check(&policy, &tables, sent);
        }
    }
}

#[test]
fn says_how_many_rules_are_too_many() {
    // Rules that differ in more than their destinations cannot be joined.
    let rules = (0..513_u16).map(|index| Rule {
        name: String::new(),
        action: Action::Allow,
        from: vec![],
        to: vec![Endpoint::Cidr {
            prefix: "192.0.2.0/24".parse().unwrap(),
            except: vec![],
            line: 1,
            column: 1,
        }],
        ports: vec![PortSpec::Tcp(PortRange::only(index))],
        allow_private_answers: false,
        origin: Origin { preset: None, line: 1, column: 1 },
    });

    let refused = compile(&policy(rules.collect()), &[], &mut Slots::default()).unwrap_err();

    assert_eq!(refused, CompileError::TooManyRules { count: 513 });
    assert!(refused.to_string().contains("513 rules"), "{refused}");
}

#[test]
fn compiles_a_hundred_thousand_names_and_prefixes() {
    let fqdn = |index: u32| Endpoint::Fqdn {
        pattern: Pattern::parse(&format!("host-{index}.zone-{}.test", index % 97), None).unwrap(),
        line: 1,
        column: 1,
    };
    let cidr = |index: u32| Endpoint::Cidr {
        prefix: IpNet::new(Ipv4Addr::from(0x0a00_0000 + index * 4).into(), 30).unwrap(),
        except: vec![],
        line: 1,
        column: 1,
    };
    let rule = |to: Vec<Endpoint>| Rule {
        name: String::new(),
        action: Action::Allow,
        from: vec![],
        to,
        ports: vec![PortSpec::Tcp(PortRange::only(443))],
        allow_private_answers: false,
        origin: Origin { preset: None, line: 1, column: 1 },
    };
    let policy = policy(
        (0..100_u32)
            .map(|group| {
                let members = group * 1_000..(group + 1) * 1_000;
                rule(members.clone().map(fqdn).chain(members.map(cidr)).collect())
            })
            .collect(),
    );

    let tables = compile(&policy, &[], &mut Slots::default()).unwrap();

    assert_eq!(tables.names.exact.len(), 100_000);
    assert_eq!(tables.prefixes.prefixes.len(), 100_000);
    let seen: BTreeMap<_, _> = tables.prefixes.prefixes.iter().copied().collect();
    assert!(seen.values().all(|mask| mask.slots().count() == 1));
}
