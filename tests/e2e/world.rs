//! What every end-to-end test starts from: addresses, a name server, policies.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use enforcer_tests::{NameServer, Probe, Report, Rig, Zone};

/// The trusted resolver of every policy here.
pub(crate) const RESOLVER: &str = "203.0.113.53";
/// How long the agent may take to follow a change.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A policy with these settings and rules, each a line of YAML.
pub(crate) fn policy(settings: &str, rules: &[&str]) -> String {
    let rules: Vec<String> = rules.iter().map(|rule| format!("    - {rule}\n")).collect();
    let rules = rules.concat();
    let rules = if rules.is_empty() { "    []\n".to_owned() } else { rules };
    let settings: Vec<String> =
        settings.lines().map(|line| format!("  {}\n", line.trim())).collect();
    let settings = settings.concat();
    format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: test}}\nspec:\n\
         {settings}  allowPrivateAnswers: true\n  rules:\n{rules}"
    )
}

/// The settings of most tests: nothing is translated, so a refused connect fails at once.
pub(crate) const PLAIN: &str = "virtualRanges: []\ndns: {resolvers: [203.0.113.53]}";

pub(crate) fn serve(rig: &Rig, zone: Zone) -> NameServer {
    NameServer::start(&rig.world, [SocketAddr::new(ip(RESOLVER), 53)], zone).unwrap()
}

pub(crate) fn probe(rig: &Rig, probe: &Probe) -> Report {
    rig.probe(probe).unwrap()
}

/// The number at a JSON path of keys.
pub(crate) fn number(value: &serde_json::Value, path: &str) -> u64 {
    value.pointer(path).and_then(serde_json::Value::as_u64).unwrap_or_else(|| {
        panic!("no number at {path} of {value:#}");
    })
}

/// The packets that `status` counts for a reason.
pub(crate) fn dropped(status: &serde_json::Value, reason: &str) -> u64 {
    let drops = status["drops"].as_array().unwrap();
    let found = drops.iter().find(|drop| drop["reason"] == reason);
    found.map_or(0, |drop| drop["packets"].as_u64().unwrap())
}

/// The packets that `status` counts for a rule.
pub(crate) fn hits(status: &serde_json::Value, rule: &str) -> u64 {
    let rules = status["rules"].as_array().unwrap();
    let found = rules.iter().find(|one| one["name"] == rule);
    found.unwrap_or_else(|| panic!("no rule {rule} in {status:#}"))["packets"].as_u64().unwrap()
}

/// Every way to attach that this kernel has.
pub(crate) fn modes() -> Vec<Vec<&'static str>> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
    let has_links = (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 6);
    let modes = if has_links { &["tcx", "clsact"][..] } else { &["clsact"] };
    modes.iter().map(|mode| vec!["--tc", "auto", "--tc-mode", mode]).collect()
}
