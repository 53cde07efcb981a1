//! What is warned of, in what words, and what is not.

use std::{fmt::Write as _, time::Duration};

use super::warnings;
use crate::{
    fqdn::Pattern,
    policy::{
        Action, Bypass, DnsSettings, Endpoint, Mode, Origin, Policy, PortRange, PortSpec,
        ResolverSpec, Rule,
    },
    workload::WorkloadSelector,
};

/// A label, the rules (see [`rules`]), and how many warnings they give.
const CASES: &[(&str, &str, usize)] = &[
    ("plain", "a allow tcp/443 api.example.com 203.0.113.0/24", 0),
    ("everything", "a allow tcp/443 *", 1),
    ("public suffix", "a allow tcp/443 *.com", 1),
    ("domain", "a allow tcp/443 *.example.com", 0),
    ("shared suffix", "a allow tcp/443 *.blob.core.windows.net", 1),
    ("one account", "a allow tcp/443 mine.blob.core.windows.net", 0),
    ("above a shared suffix", "a allow tcp/443 *.amazonaws.com", 1),
    ("beside a shared suffix", "a allow tcp/443 *.eks.amazonaws.com", 0),
    ("published by anybody", "a allow tcp/443 raw.githubusercontent.com", 1),
    ("published by one", "a allow tcp/443 api.github.com", 0),
    ("shared suffix denied", "a deny any *.blob.core.windows.net", 1),
    ("single label", "a allow tcp/5432 db", 1),
    ("not at large", "a allow tcp/631 printer.local", 1),
    ("alike", "a allow tcp/631 printer.notlocal.net", 0),
    ("inside", "a allow tcp/443 metadata.google.internal", 1),
    ("inside and learned", "a allow tcp/443 private metadata.google.internal", 0),
    ("deny by name", "a deny any ads.example.com *.ads.example.com", 1),
    ("deny by range", "a deny any 203.0.113.0/24", 0),
    ("encrypted DNS by address", "a allow tcp/443 8.8.8.8", 1),
    ("encrypted DNS by range", "a allow udp/853 2606:4700:4700::/48", 1),
    ("not encrypted", "a allow tcp/80 8.8.8.8", 0),
    ("resolver left out", "a allow tcp/443 8.8.8.0/24!8.8.8.8", 0),
    ("resolver denied", "a deny tcp/443 8.8.8.8", 0),
    ("encrypted DNS by name", "a allow tcp/443 dns.google", 1),
    ("encrypted DNS by wildcard", "a allow tcp/443 *.quad9.net", 1),
    ("name alike", "a allow tcp/443 dns.google.example.com", 0),
    ("DNS elsewhere", "a allow udp/53 any", 1),
    ("DNS to what may be the system's", "a allow udp/53 192.0.2.53", 0),
    ("many ports", "a allow tcp/1-1000 203.0.113.0/24", 0),
    ("used up", "a allow tcp/443 10.0.0.0/8!10.0.0.0/9!10.128.0.0/9", 1),
    ("nearly used up", "a allow tcp/443 10.0.0.0/8!10.0.0.0/9!10.128.0.0/10", 0),
    ("used up, IPv6", "a allow tcp/443 ::/0!::/1!8000::/1", 1),
    ("too many labels", "a allow tcp/443 *.example.com#126", 1),
    ("as many labels as fit", "a allow tcp/443 *.example.com#121", 0),
    ("loopback", "a deny any 127.0.0.1", 1),
    ("nearly loopback", "a deny any 128.0.0.1", 0),
    ("cgroup twice", "a allow tcp/443 from=/a/b from=/a api.example.com", 1),
    ("neighbour cgroups", "a allow tcp/443 from=/a/b from=/ab api.example.com", 0),
    ("open in front", "o allow tcp/443 any\na allow tcp/443 api.example.com", 1),
    ("open behind", "a allow tcp/443 api.example.com\no allow tcp/443 any", 1),
    ("open for IPv4", "o allow tcp/443 0.0.0.0/0\na allow tcp/80,tcp/443 api.example.com", 1),
    ("open on another port", "o allow tcp/80 any\na allow tcp/443 api.example.com", 0),
    ("open for some", "o allow tcp/443 from=/a any\na allow tcp/443 api.example.com", 0),
    ("open, no names", "o allow tcp/443 any", 0),
    (
        "open behind a deny",
        "a allow tcp/443 api.example.com\nd deny any 203.0.113.0/24\no allow tcp/443 any",
        0,
    ),
    ("closed in front", "d deny any any\na allow tcp/443 api.example.com", 1),
    ("closed behind", "a allow tcp/443 api.example.com\nd deny any any", 0),
    ("covered", "a allow tcp/443 *.example.com\nb allow tcp/443 api.example.com", 1),
    ("covered by a deny", "a deny any 10.0.0.0/8\nb allow tcp/443 10.1.0.0/16", 1),
    ("exception of a deny", "a deny any 10.0.0.0/8!10.1.0.0/16\nb allow tcp/443 10.1.0.0/16", 0),
    ("wider behind", "a allow tcp/443 api.example.com\nb allow tcp/443 *.example.com", 0),
    ("other port", "a allow tcp/443 *.example.com\nb allow tcp/80 api.example.com", 0),
    ("other workload", "a allow tcp/443 from=/a *.example.com\nb allow tcp/443 api.example.com", 0),
    ("learns more", "a allow tcp/443 *.example.com\nb allow tcp/443 private api.example.com", 0),
    (
        "one of two covered",
        "a allow tcp/443 *.example.com\nb allow tcp/443 api.example.com example.net",
        1,
    ),
    (
        "covered by several",
        "a allow tcp/443 *.example.com\nb allow tcp/443 10.0.0.0/8\n\
         c allow tcp/443 api.example.com 10.1.0.0/16",
        1,
    ),
];

#[test]
fn warns_of_what_is_doubtful_and_of_nothing_else() {
    let mut report = String::new();
    for (label, text, count) in CASES {
        let found = warnings(&policy(rules(text)));
        assert_eq!(found.len(), *count, "{label}: {found:#?}");
        writeln!(report, "# {label}\n{text}").unwrap();
        for warning in found {
            let place = (warning.line, warning.column);
            writeln!(report, "  {place:?} {}: {}", warning.text, warning.message).unwrap();
            writeln!(report, "    {}", warning.help).unwrap();
        }
    }

    insta::assert_snapshot!(report);
}

#[test]
fn tells_of_a_denied_resolver_only_if_it_is_trusted() {
    let mut policy = policy(rules("a deny any 10.0.0.0/8"));
    assert!(warnings(&policy).is_empty());

    let address = "10.96.0.10".parse().unwrap();
    policy.dns.resolvers = vec![ResolverSpec::Address { address, port: 53 }];
    let found = warnings(&policy);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("`10.96.0.10`"), "{}", found[0].message);

    policy.rules = rules("a deny any 10.0.0.0/8!10.96.0.10");
    assert!(warnings(&policy).is_empty());
}

#[test]
fn tells_of_a_preset_once_for_each_kind_of_doubt() {
    let mut rules = rules(
        "aks/a allow tcp/443 *.blob.core.windows.net\n\
         aks/b allow tcp/443 *.azurewebsites.net\n\
         aks/c allow tcp/443 mcr.microsoft.com\n\
         aks/d allow tcp/443 *.trafficmanager.net\n\
         aks/e allow tcp/443 *.azureedge.net\n\
         aks/f allow tcp/443 dns.google\n",
    );
    for rule in &mut rules {
        rule.origin = Origin { preset: Some("aks@2019-06".to_owned()), line: 7, column: 12 };
    }
    let found = warnings(&policy(rules));

    let shown: Vec<String> = found
        .iter()
        .map(|warning| {
            format!("{}:{} {}: {}", warning.line, warning.column, warning.text, warning.message)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn lists_warnings_in_the_order_of_the_file() {
    let found = warnings(&policy(rules(
        "b allow tcp/443 *.com\n\
         c allow tcp/443 any\n\
         d allow tcp/443 *.net *.org",
    )));

    let places: Vec<(u32, u32)> =
        found.iter().map(|warning| (warning.line, warning.column)).collect();
    assert_eq!(places.len(), 4);
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn reads_a_policy_of_more_rules_than_a_node_can_have() {
    let text: String = (0..600).fold(String::new(), |mut text, n| {
        writeln!(text, "r{n} allow tcp/443 n{n}.example.com").unwrap();
        text
    });

    assert!(warnings(&policy(rules(&text))).is_empty());
}

/// Rules, one a line: name, action, ports, and then `private`, `from=CGROUP`, names (`#N` for
/// `labels: N`) and ranges (`any`; `!` in front of each exception).
pub(super) fn rules(text: &str) -> Vec<Rule> {
    text.lines().zip(1..).map(|(line, number)| rule(line, number)).collect()
}

fn rule(text: &str, line: u32) -> Rule {
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap();
    let (name, action, ports) = (next().to_owned(), next(), next());
    let mut rule = Rule {
        name,
        action: if action == "deny" { Action::Deny } else { Action::Allow },
        from: Vec::new(),
        to: Vec::new(),
        ports: ports.split(',').map(port).collect(),
        allow_private_answers: false,
        origin: Origin { preset: None, line, column: 1 },
    };
    for word in words {
        let column = u32::try_from(text.find(word).unwrap()).unwrap() + 1;
        if word == "private" {
            rule.allow_private_answers = true;
        } else if let Some(path) = word.strip_prefix("from=") {
            rule.from.push(WorkloadSelector::Cgroup(path.to_owned()));
        } else if word == "any" {
            rule.to.extend(["0.0.0.0/0", "::/0"].map(|word| range(word, line, column)));
        } else if word.contains(['/', ':', '!']) || word.parse::<std::net::IpAddr>().is_ok() {
            rule.to.push(range(word, line, column));
        } else {
            let (text, labels) = word.split_once('#').unwrap_or((word, ""));
            let pattern = Pattern::parse(text, labels.parse().ok()).unwrap();
            rule.to.push(Endpoint::Fqdn { pattern, line, column });
        }
    }
    rule
}

fn range(word: &str, line: u32, column: u32) -> Endpoint {
    let net = |text: &str| {
        text.parse().unwrap_or_else(|_| text.parse::<std::net::IpAddr>().unwrap().into())
    };
    let mut parts = word.split('!').map(net);
    Endpoint::Cidr { prefix: parts.next().unwrap(), except: parts.collect(), line, column }
}

fn port(text: &str) -> PortSpec {
    let Some((protocol, ports)) = text.split_once('/') else { return PortSpec::Every };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let range = PortRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
    if protocol == "udp" { PortSpec::Udp(range) } else { PortSpec::Tcp(range) }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy {
        name: "test".to_owned(),
        mode: Mode::Enforce,
        dns: DnsSettings {
            resolvers: vec![ResolverSpec::System],
            min_ttl: Duration::from_mins(1),
            max_ttl: Duration::from_hours(1),
            grace: Duration::from_mins(1),
            stale_ttl: Duration::from_hours(1),
            nat64: Vec::new(),
        },
        virtual_ranges: None,
        bypass: Bypass::default(),
        rejects_forwarded: false,
        rules,
    }
}
