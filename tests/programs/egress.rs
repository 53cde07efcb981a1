//! `egress_skb`: verdict, reason, rule and counts for crafted packets.

use enforcer_common::verdict::Reason;
use enforcer_tests::{Packet, require_privilege};

use crate::lab::{Judged, Lab};

pub(crate) const RULES: &str = "
  rules:
    - {name: no, action: deny, to: [{cidr: 198.51.100.66}, {cidr: '2001:db8::66'}]}
    - {name: web, to: [{cidr: 198.51.100.0/24, except: [198.51.100.8/29]}, {cidr: '2001:db8::/64'}], ports: [tcp/443]}
    - {name: name, to: [{fqdn: a.test}], ports: [udp/123]}
";

pub(crate) fn v4(to: &str) -> Packet {
    Packet::ipv4().to(to)
}

pub(crate) fn v6(to: &str) -> Packet {
    Packet::ipv6().to(to)
}

/// Checks verdict, reason and rule, and that exactly one packet was counted.
#[track_caller]
pub(crate) fn check(judged: &Judged, label: &str, expected: Result<&str, Reason>) {
    match expected {
        Ok(rule) => {
            assert!(judged.passed, "{label}: {judged:?}");
            assert_eq!(judged.rule.as_deref().unwrap_or("implicit"), rule, "{label}: {judged:?}");
            assert_eq!(judged.reason, None, "{label}");
        }
        Err(reason) => {
            assert!(!judged.passed, "{label}: {judged:?}");
            assert_eq!(judged.reason, Some(reason), "{label}: {judged:?}");
        }
    }
    assert_eq!(judged.packets, 1, "{label}");
}

#[test]
fn judges_by_destination_protocol_and_port() {
    require_privilege!();
    let mut lab = Lab::new(RULES);
    lab.learn("a.test", "203.0.113.1", 60);
    lab.learn("a.test", "2001:db8:f::1", 60);
    lab.learn("a.test", "203.0.113.2", -1);
    let cases = [
        ("in the range", v4("198.51.100.1").tcp(443), Ok("web")),
        ("other port", v4("198.51.100.1").tcp(444), Err(Reason::NoRule)),
        ("other protocol", v4("198.51.100.1").udp(443), Err(Reason::NoRule)),
        ("in the hole", v4("198.51.100.9").tcp(443), Err(Reason::NoRule)),
        ("behind the range", v4("198.51.101.0").tcp(443), Err(Reason::NoRule)),
        ("denied", v4("198.51.100.66").tcp(443), Err(Reason::Rule)),
        ("in the range, v6", v6("2001:db8::1").tcp(443), Ok("web")),
        ("behind the range, v6", v6("2001:db8:0:1::1").tcp(443), Err(Reason::NoRule)),
        ("denied, v6", v6("2001:db8::66").tcp(443), Err(Reason::Rule)),
        ("of a name", v4("203.0.113.1").udp(123), Ok("name")),
        ("of a name, v6", v6("2001:db8:f::1").udp(123), Ok("name")),
        ("of a name, other port", v4("203.0.113.1").udp(124), Err(Reason::NoRule)),
        ("of a name, expired", v4("203.0.113.2").udp(123), Err(Reason::NoRule)),
        ("of no name", v4("203.0.113.3").udp(123), Err(Reason::NoRule)),
        ("trusted resolver", v4("203.0.113.53").udp(53), Ok("implicit")),
        ("trusted resolver, tcp", v4("203.0.113.53").tcp(53), Ok("implicit")),
        ("other resolver", v4("203.0.113.54").udp(53), Err(Reason::NoRule)),
        ("echo", v4("198.51.100.1").icmp(8), Err(Reason::NoRule)),
    ];

    for (label, packet, expected) in cases {
        check(&lab.judge(&packet), label, expected);
    }
}

#[test]
fn counts_every_segment_and_byte_once() {
    require_privilege!();
    let lab = Lab::new(RULES);
    let packet = v4("198.51.100.1").tcp(443).payload(&[0; 960]);

    let judged = lab.judge_segments(&packet, 7);

    assert_eq!((judged.packets, judged.bytes), (7, 1_000), "{judged:?}");
    assert_eq!(lab.judge(&packet).packets, 1);
}

#[test]
fn loopback_passes_and_the_same_packet_elsewhere_does_not() {
    require_privilege!();
    let lab = Lab::new(RULES);
    let packet = v4("203.0.113.9").tcp(443);

    check(&lab.judge_on_loopback(&packet), "loopback", Ok("implicit"));
    check(&lab.judge(&packet), "uplink", Err(Reason::NoRule));
}

#[test]
fn audit_mode_passes_and_counts_as_enforcing_does() {
    require_privilege!();
    let mut lab = Lab::new(&format!("  mode: audit{RULES}"));
    let packet = v4("203.0.113.9").tcp(443);

    let audited = lab.judge(&packet);
    lab.reload(&format!("  mode: enforce{RULES}"));
    let enforced = lab.judge(&packet);

    assert!(audited.passed && !enforced.passed);
    assert_eq!(audited.reason, Some(Reason::NoRule));
    assert_eq!(
        (audited.reason, audited.packets, audited.bytes),
        (enforced.reason, enforced.packets, enforced.bytes)
    );
}

#[test]
fn a_reload_replaces_rules_at_once_and_leaves_no_trace_of_the_old() {
    require_privilege!();
    let mut lab = Lab::new(RULES);
    lab.learn("a.test", "203.0.113.1", 60);
    check(&lab.judge(&v4("198.51.100.1").tcp(443)), "before", Ok("web"));
    check(&lab.judge(&v4("203.0.113.1").udp(123)), "name before", Ok("name"));

    lab.reload(
        "
  rules:
    - {name: other, to: [{cidr: 192.0.2.0/24}], ports: [tcp/443]}
    - {name: other-name, to: [{fqdn: b.test}], ports: [udp/123]}
",
    );
    check(&lab.judge(&v4("198.51.100.1").tcp(443)), "the old range", Err(Reason::NoRule));
    check(&lab.judge(&v4("192.0.2.1").tcp(443)), "the new range", Ok("other"));
    check(
        &lab.judge(&v4("203.0.113.1").udp(123)),
        "an address of the old name",
        Err(Reason::NoRule),
    );
    assert!(lab.read().addresses.is_empty(), "the address is left without a rule");

    lab.reload("\n  rules: []\n");
    check(&lab.judge(&v4("192.0.2.1").tcp(443)), "an empty policy", Err(Reason::NoRule));
}

#[test]
fn a_reload_keeps_ipv6_and_ipv4_defaults_apart() {
    require_privilege!();
    let mut lab =
        Lab::new("\n  rules:\n    - {name: six, to: [{cidr: '::/0'}], ports: [tcp/443]}\n");
    check(&lab.judge(&v6("2001:db8:9::1").tcp(443)), "v6", Ok("six"));
    check(&lab.judge(&v4("198.51.100.1").tcp(443)), "v4", Err(Reason::NoRule));

    lab.reload("\n  rules:\n    - {name: four, to: [{cidr: 0.0.0.0/0}], ports: [tcp/443]}\n");
    check(&lab.judge(&v6("2001:db8:9::1").tcp(443)), "v6", Err(Reason::NoRule));
    check(&lab.judge(&v4("198.51.100.1").tcp(443)), "v4", Ok("four"));
}
