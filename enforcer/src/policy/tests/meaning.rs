//! What good policies mean.

use std::time::Duration;

use ipnet::IpNet;

use super::{parse, policy_text, read};
use crate::{
    fqdn::Pattern,
    policy::{
        Action, Endpoint, Mode, Policy, PortRange, PortSpec, ResolverSpec, diagnostic::Severity,
    },
    workload::WorkloadSelector,
};

const NODE: &str = include_str!("good/node.yaml");

#[test]
fn reads_the_example_of_the_design() {
    let policy = read(NODE);

    assert_eq!((policy.name.as_str(), policy.mode), ("aks-node", Mode::Enforce));
    assert_eq!(policy.dns.resolvers, [ResolverSpec::System]);
    let names: Vec<_> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["ntp", "registry", "no-metadata", "ci-only"]);
    let [ntp, registry, metadata, ci] = policy.rules.as_slice() else { panic!("four rules") };
    assert_eq!(ntp.action, Action::Allow);
    assert_eq!(ntp.ports, [PortSpec::Udp(PortRange::only(123))]);
    assert_eq!(to(ntp), ["ntp.ubuntu.com"]);
    assert_eq!(to(registry), ["*.blob.core.windows.net", "203.0.113.0/24 but 203.0.113.8/29"]);
    assert_eq!(
        registry.ports,
        [PortSpec::Tcp(PortRange::only(443)), PortSpec::Tcp(PortRange::new(8000, 8010).unwrap()),]
    );
    assert_eq!(
        (metadata.action, metadata.ports.as_slice()),
        (Action::Deny, &[PortSpec::Every][..])
    );
    assert_eq!(ci.from, [WorkloadSelector::Cgroup("/system.slice/ci.service".to_owned())]);
    assert_eq!((ci.origin.line, ci.origin.column, &ci.origin.preset), (18, 13, &None));
    assert!(policy.rules.iter().all(|rule| !rule.allow_private_answers));
}

#[test]
fn an_empty_allowlist_is_valid() {
    assert_eq!(read(&policy_text("  rules: []\n")).rules, []);
}

#[test]
fn leaves_out_what_has_a_default() {
    let policy = read(&policy_text("  rules: [{name: web, to: [{fqdn: example.com}]}]\n"));

    let rule = &policy.rules[0];
    assert_eq!((policy.mode, rule.action), (Mode::Enforce, Action::Allow));
    let ports = [PortSpec::Tcp(PortRange::ANY), PortSpec::Udp(PortRange::ANY), PortSpec::Icmp];
    assert_eq!(rule.ports, ports);
    assert_eq!(rule.from, []);
    assert_eq!(policy.virtual_ranges, None);
    let dns = &policy.dns;
    assert_eq!((dns.min_ttl, dns.max_ttl), (Duration::from_mins(1), Duration::from_hours(1)));
    assert_eq!((dns.grace, dns.stale_ttl), (Duration::from_mins(1), Duration::from_hours(1)));
    assert_eq!(dns.nat64, [net("64:ff9b::/96")]);
}

#[test]
fn reads_every_form_of_ports() {
    let range = |first, last| PortRange::new(first, last).unwrap();
    for (text, expected) in [
        ("tcp/443", PortSpec::Tcp(PortRange::only(443))),
        ("tcp/0", PortSpec::Tcp(PortRange::only(0))),
        ("tcp/8000-8010", PortSpec::Tcp(range(8000, 8010))),
        ("tcp/0-65535", PortSpec::Tcp(PortRange::ANY)),
        ("tcp/any", PortSpec::Tcp(PortRange::ANY)),
        ("tcp", PortSpec::Tcp(PortRange::ANY)),
        ("udp/53", PortSpec::Udp(PortRange::only(53))),
        ("udp", PortSpec::Udp(PortRange::ANY)),
        ("sctp/3868", PortSpec::Sctp(PortRange::only(3868))),
        ("icmp", PortSpec::Icmp),
        ("ip/47", PortSpec::Number(47)),
        ("any", PortSpec::Every),
    ] {
        let text = format!("  rules: [{{name: r, to: [{{cidr: any}}], ports: [{text}]}}]\n");

        assert_eq!(read(&policy_text(&text)).rules[0].ports, [expected], "{text}");
    }
}

#[test]
fn reads_every_form_of_ranges() {
    for (text, expected) in [
        ("{cidr: 192.0.2.7}", vec!["192.0.2.7/32"]),
        ("{cidr: \"2001:db8::7\"}", vec!["2001:db8::7/128"]),
        ("{cidr: 2001:db8::/32}", vec!["2001:db8::/32"]),
        ("{cidr: 0.0.0.0/0}", vec!["0.0.0.0/0"]),
        ("{cidr: any}", vec!["0.0.0.0/0", "::/0"]),
        (
            "{cidr: any, except: [10.0.0.0/8, 10.1.0.0/16, \"fd00::/8\"]}",
            vec!["0.0.0.0/0 but 10.0.0.0/8", "::/0 but fd00::/8"],
        ),
    ] {
        let policy = read(&policy_text(&format!("  rules: [{{name: r, to: [{text}]}}]\n")));

        assert_eq!(to(&policy.rules[0]), expected, "{text}");
    }
}

#[test]
fn host_bits_are_cleared_with_a_warning() {
    let text = policy_text("  rules: [{name: r, to: [{cidr: 10.1.2.3/8}]}]\n");
    let parsed = parse(&text);

    assert_eq!(to(&parsed.policy.unwrap().rules[0]), ["10.0.0.0/8"]);
    let found = &parsed.diagnostics[0];
    assert_eq!((found.severity, found.text.as_str()), (Severity::Warning, "10.1.2.3/8"));
    assert_eq!((found.line, found.column), (5, 33));
}

#[test]
fn private_answers_are_allowed_for_the_rules_that_say_so() {
    let allowed = |spec: &str| -> Vec<bool> {
        read(&policy_text(spec)).rules.iter().map(|rule| rule.allow_private_answers).collect()
    };
    let rules = "  rules:\n    - {name: a, to: [{fqdn: a.b}]}\n    \
                 - {name: b, allowPrivateAnswers: X, to: [{fqdn: a.b}]}\n";

    assert_eq!(allowed(&rules.replace('X', "true")), [false, true]);
    let default = "  allowPrivateAnswers: true\n".to_owned() + &rules.replace('X', "false");
    assert_eq!(allowed(&default), [true, false]);
}

#[test]
fn reads_resolvers_times_and_ranges() {
    let policy: Policy = read(&policy_text(
        "  virtualRanges: [10.96.0.0/12, \"fd00:1::/64\"]\n  dns:\n    \
         resolvers: [system, 10.0.0.53, \"10.0.0.54:5353\", \"2001:db8::53\", \"[2001:db8::54]:5353\"]\n    \
         minTtl: 30s\n    maxTtl: 2h\n    grace: 5m\n    staleTtl: 1d\n    nat64: [\"2001:db8:64::/96\"]\n  rules: []\n",
    ));

    let address = |text: &str, port| ResolverSpec::Address { address: text.parse().unwrap(), port };
    assert_eq!(
        policy.dns.resolvers,
        [
            ResolverSpec::System,
            address("10.0.0.53", 53),
            address("10.0.0.54", 5353),
            address("2001:db8::53", 53),
            address("2001:db8::54", 5353),
        ]
    );
    assert_eq!(policy.dns.min_ttl, Duration::from_secs(30));
    assert_eq!(policy.dns.max_ttl, Duration::from_hours(2));
    assert_eq!(policy.dns.grace, Duration::from_mins(5));
    assert_eq!(policy.dns.stale_ttl, Duration::from_hours(24));
    assert_eq!(policy.dns.nat64, [net("2001:db8:64::/96")]);
    assert_eq!(policy.virtual_ranges, Some(vec![net("10.96.0.0/12"), net("fd00:1::/64")]));
}

#[test]
fn no_virtual_ranges_is_a_statement() {
    let stated = read(&policy_text("  virtualRanges: []\n  rules: []\n")).virtual_ranges;

    assert_eq!(stated, Some(Vec::new()));
}

#[test]
fn labels_narrow_a_leading_wildcard() {
    let text = "  rules: [{name: r, to: [{fqdn: \"*.example.com\", labels: 1}]}]\n";
    let policy = read(&policy_text(text));

    let Endpoint::Fqdn { pattern, .. } = &policy.rules[0].to[0] else { panic!("a name") };
    assert_eq!(*pattern, Pattern::parse("*.example.com", Some(1)).unwrap());
}

#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing() {
    assert_eq!(read(&format!("\u{feff}{NODE}")), read(NODE));
    assert_eq!(read(&NODE.replace('\n', "\r\n")), read(NODE));
}

#[test]
fn a_value_may_be_written_once_and_used_twice() {
    let policy = read(&policy_text(
        "  rules:\n    - {name: a, to: [{fqdn: a.b}], ports: &web [tcp/443]}\n    \
         - {name: b, to: [{fqdn: c.d}], ports: *web}\n",
    ));

    assert_eq!(policy.rules[0].ports, policy.rules[1].ports);
}

/// The destinations of a rule as text.
fn to(rule: &crate::policy::Rule) -> Vec<String> {
    let text = |endpoint: &Endpoint| match endpoint {
        Endpoint::Fqdn { pattern, .. } => pattern.to_string(),
        Endpoint::Cidr { prefix, except, .. } if except.is_empty() => prefix.to_string(),
        Endpoint::Cidr { prefix, except, .. } => {
            let holes: Vec<_> = except.iter().map(ToString::to_string).collect();
            format!("{prefix} but {}", holes.join(" "))
        }
    };
    rule.to.iter().map(text).collect()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_preset_that_denies_comes_in_front_of_the_file_and_is_for_whom_it_says() {
    let text = policy_text(
        "  presets:
    - {name: ubuntu-node}
    - {name: cloud-metadata, from: [{pod: any}], exclude: [ecs-task-roles, eks-pod-identity]}
  rules:
    - {name: own, to: [{cidr: any}], ports: [tcp/80]}
",
    );
    let policy = parse(&text).policy.unwrap();

    let actions: Vec<_> = policy.rules.iter().map(|rule| rule.action).collect();
    let denied = actions.iter().take_while(|action| **action == Action::Deny).count();
    assert_eq!(denied, 6, "{:#?}", policy.rules);
    assert!(actions[denied..].iter().all(|action| *action == Action::Allow));
    for rule in &policy.rules[..denied] {
        assert_eq!(rule.from, [WorkloadSelector::Pods], "{}", rule.name);
        assert_eq!(rule.origin.preset.as_deref(), Some("cloud-metadata@2026-11"));
    }
    assert_eq!(policy.rules[denied].name, "own");
    assert!(policy.rules[denied + 1..].iter().all(|rule| rule.from.is_empty()));
}
