//! `connect` may refuse at once only what egress would certainly refuse.

use std::{process::Command, time::Duration};

use enforcer_tests::{Peer, Probe, Rig, require_privilege};
use nix::errno::Errno;

use crate::world::{ip, policy, probe};

const BACKEND: &str = "{name: backend, to: [{cidr: 203.0.113.7}], ports: [tcp/8443]}";
const SERVICE: &str = "10.96.0.10";

/// A service address that the client's own namespace translates to the backend.
fn translate(rig: &Rig) {
    let rules = format!(
        "add table ip nat; \
         add chain ip nat output {{ type nat hook output priority -100 ; }}; \
         add rule ip nat output ip daddr {SERVICE} tcp dport 443 dnat to 203.0.113.7:8443"
    );
    let done = rig.client.output(Command::new("nft").arg(rules)).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn settings(ranges: Option<&str>) -> String {
    let ranges = ranges.map(|ranges| format!("virtualRanges: {ranges}\n")).unwrap_or_default();
    format!("{ranges}dns: {{resolvers: [203.0.113.53]}}")
}

#[test]
fn lets_a_translated_connection_to_an_allowed_backend_through() {
    require_privilege!();
    for ranges in [None, Some("[10.96.0.0/12]")] {
        let rig = Rig::make().unwrap();
        let peer = Peer::tcp(&rig.world, 8443).unwrap();
        translate(&rig);
        let service = Probe::tcp(ip(SERVICE), 443);
        assert!(probe(&rig, &service).is_reached(), "control");
        let _agent = rig.agent(&policy(&settings(ranges), &[BACKEND])).unwrap();

        for _ in 0..3 {
            let report = probe(&rig, &service);
            assert!(report.is_reached(), "{ranges:?}: {report}");
        }
        assert_eq!(peer.arrived_at(ip("203.0.113.7")), 4);
    }
}

#[test]
fn refuses_a_translated_connection_to_a_forbidden_backend_at_egress() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let peer = Peer::tcp(&rig.world, 8443).unwrap();
    translate(&rig);
    let service = "{name: service, to: [{cidr: 10.96.0.10}], ports: [tcp/443]}";
    let _agent = rig.agent(&policy(&settings(None), &[service])).unwrap();

    let report = probe(&rig, &Probe::tcp(ip(SERVICE), 443));

    assert!(report.is_refused(), "{report}");
    assert_eq!(peer.arrived(), 0, "the wire decides, not what was asked");
}

#[test]
fn refuses_at_once_what_egress_has_refused_before() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(&settings(None), &[BACKEND])).unwrap();
    let forbidden = Probe::tcp(ip("198.18.0.1"), 443);

    let first = probe(&rig, &forbidden);
    let second = probe(&rig, &forbidden);
    let other_port = probe(&rig, &Probe::tcp(ip("198.18.0.1"), 444));

    assert!(first.is_refused() && !first.is_refused_at_once(), "no evidence yet: {first}");
    assert!(second.is_refused_at_once(), "{second}");
    assert!(!other_port.is_refused_at_once(), "evidence of another port: {other_port}");
}

#[test]
fn a_connect_that_egress_refuses_ends_at_once() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    translate(&rig);
    let service = "{name: service, to: [{cidr: 10.96.0.10}], ports: [tcp/443]}";
    let patience = Duration::from_secs(20);
    let connect = |address| probe(&rig, &Probe::tcp(ip(address), 443).patience(patience));
    let agent = rig.agent(&policy(&settings(None), &[service])).unwrap();

    // Translated to what no rule allows; and not translated, the first time.
    for address in [SERVICE, "198.18.0.1", "2001:db8:9::1"] {
        let report = connect(address);
        let error = report.errno();
        assert_eq!(error, Some(Errno::ECONNABORTED as i32), "{address}: {report}");
    }
    // With the agent dead the kernel tries until it gives up.
    drop(agent);
    let silent = probe(&rig, &Probe::tcp(ip("198.18.0.2"), 443).patience(Duration::from_secs(1)));
    assert!(silent.is_refused() && silent.errno().is_none(), "{silent}");
}

#[test]
fn refuses_at_once_where_the_policy_says_that_nothing_is_translated() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let _agent = rig.agent(&policy(&settings(Some("[]")), &[BACKEND])).unwrap();

    for address in ["198.18.0.1", "2001:db8:9::1"] {
        let report = probe(&rig, &Probe::tcp(ip(address), 443));
        assert!(report.is_refused_at_once(), "{address}: {report}");
    }
}

#[test]
fn never_refuses_a_udp_connect() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _agent = rig.agent(&policy(&settings(Some("[]")), &[])).unwrap();

    for address in ["198.18.0.1", "2001:db8:9::1"] {
        let report = probe(&rig, &Probe::udp_connect(ip(address), 443));
        assert!(report.is_reached(), "{address}: {report}");
    }
}
