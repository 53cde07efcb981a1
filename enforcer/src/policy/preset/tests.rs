//! What the embedded presets hold, and what a request makes of them.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    FILES, Preset, PresetDestination, PresetRule, Problem, Request, expand, find, list,
    with_examples,
};

/// Dated name, rows, rules without any request, rules with every condition; the examples fill in
/// what is needed. Counted from the pages' data, not from these files.
const COUNTS: &[(&str, usize, usize, usize)] = &[
    ("aks@2026-06", 121, 9, 50),
    ("aks@2019-06", 23, 11, 23),
    ("cloud-metadata@2026-11", 10, 9, 10),
    ("docker-hub@2026-06", 17, 3, 17),
    ("eks@2024-12", 11, 5, 11),
    ("github-actions-runner@2026", 16, 5, 16),
    ("gke@2026", 7, 4, 7),
    ("kubernetes@2026-11", 25, 3, 22),
    ("ubuntu-node@2026", 15, 4, 15),
];
/// The same for the other clouds of AKS.
const AKS_CLOUDS: &[(&str, usize, usize)] = &[("china", 14, 40), ("usgov", 11, 38)];

type Expansion = Result<(String, Vec<PresetRule>), Vec<Problem>>;

#[test]
fn every_embedded_file_reads() {
    for text in FILES {
        Preset::read(text).unwrap_or_else(|error| panic!("{}: {error}", first_line(text)));
    }

    let names: Vec<String> = list().iter().map(Preset::dated).collect();
    assert_eq!(names, COUNTS.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
}

#[test]
fn holds_the_rows_of_its_page_and_expands_to_as_many_rules() {
    for (name, rows, required, all) in COUNTS {
        let preset = find(name).unwrap();
        assert_eq!(preset.rows.len(), *rows, "rows of {name}");
        assert_eq!(ask(name, &[], &[], &[]).unwrap().1.len(), *required, "required of {name}");
        assert_eq!(everything(preset, &[]).len(), *all, "all of {name}");
    }
}

#[test]
fn expands_each_cloud_to_its_own_names() {
    let aks = find("aks").unwrap();
    for (cloud, required, all) in AKS_CLOUDS {
        let parameters = [("cloud", *cloud)];
        let found = ask("aks", &parameters, &[], &[]).unwrap().1;
        assert_eq!(found.len(), *required, "required in {cloud}");
        assert_eq!(everything(aks, &parameters).len(), *all, "all in {cloud}");
        let has_public = found.iter().any(|rule| rule.name == "aks/management.azure.com");
        assert!(!has_public, "public name in {cloud}");
    }
}

#[test]
fn expands_under_each_condition_to_unique_valid_names() {
    for preset in list() {
        let usual = ask(&preset.dated(), &[], &[], &[]).unwrap().1;
        for condition in &preset.conditions {
            let (_, rules) = ask(&preset.dated(), &[], &[&condition.name], &[]).unwrap();
            assert!(rules.len() >= usual.len(), "{} {}", preset.name, condition.name);
            let mut names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            for name in &names {
                assert!(is_valid_name(name), "{name}");
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), rules.len(), "{} {}", preset.name, condition.name);
            assert!(rules.iter().all(|rule| !rule.to.is_empty() && !rule.ports.is_empty()));
        }
    }
}

#[test]
fn keeps_the_name_of_a_rule_when_conditions_are_added() {
    for preset in list() {
        let all = everything(preset, &[]);
        for rule in ask(&preset.dated(), &[], &[], &[]).unwrap().1 {
            let same = all.iter().find(|other| other.name == rule.name);
            assert_eq!(same, Some(&rule), "{}", rule.name);
        }
    }
}

#[test]
fn opens_no_address_at_large_unless_asked() {
    for preset in list() {
        let (_, rules) = ask(&preset.dated(), &[], &[], &[]).unwrap();
        let open: Vec<&str> =
            rules.iter().filter(|rule| is_open(rule)).map(|rule| rule.name.as_str()).collect();
        assert!(open.is_empty(), "{}: {open:?}", preset.dated());
    }

    let (_, rules) = ask("aks@2019-06", &[], &["any-address"], &[]).unwrap();
    assert_eq!(rules.iter().filter(|rule| is_open(rule)).count(), 3);
}

#[test]
fn expands_aks_to_these_rules() {
    let parameters = [("location", "japaneast")];
    let (name, rules) = ask("aks", &parameters, &[], &[]).unwrap();

    insta::assert_snapshot!(format!("{name}\n{}", shown(&rules)));
}

#[test]
fn expands_aks_with_everything_to_these_rules() {
    let rules = everything(find("aks").unwrap(), &[]);

    insta::assert_snapshot!(shown(&rules));
}

#[test]
fn undated_name_is_the_newest() {
    assert_eq!(find("aks").unwrap().dated(), "aks@2026-06");
    assert_eq!(find("aks@2019-06").unwrap().dated(), "aks@2019-06");
}

#[test]
fn merges_rows_of_one_destination() {
    let (_, rules) = ask("aks", &[], &["workload-identity", "defender", "monitor"], &[]).unwrap();

    let named = |name: &str| rules.iter().filter(|rule| rule.name == name).count();
    assert_eq!(named("aks/login.microsoftonline.com"), 1);
    assert_eq!(named("aks/*.ods.opinsights.azure.com"), 1);
}

#[test]
fn names_ports_only_where_a_destination_has_several() {
    let (_, rules) = ask("aks", &[], &["konnectivity-less"], &[]).unwrap();

    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert!(names.contains(&"aks/tunnel:udp/1194") && names.contains(&"aks/tunnel:tcp/9000"));
    assert!(names.contains(&"aks/mcr.microsoft.com"));
}

#[test]
fn shortens_a_long_name_the_same_way_each_time() {
    let long = || {
        let (_, rules) = ask("docker-hub", &[], &["optional"], &[]).unwrap();
        rules.into_iter().find(|rule| rule.name.contains("images-prod")).unwrap().name
    };

    assert_eq!(long().len(), 63);
    assert_eq!(long(), long());
    assert!(long().starts_with("docker-hub/docker-images-prod."), "{}", long());
}

#[test]
fn excludes_conditions_rows_and_deprecated_rows() {
    let names = |exclude: &[&str]| -> Vec<String> {
        let (_, rules) = ask("aks", &[JAPAN], &[], exclude).unwrap();
        rules.into_iter().map(|rule| rule.name).collect()
    };

    let all = names(&[]);
    for (label, exclude, gone) in [
        ("condition", "public-cluster", "aks/*.hcp.japaneast.azmk8s.io"),
        ("row", "management.azure.com", "aks/management.azure.com"),
        ("row as filled in", "*.hcp.japaneast.azmk8s.io", "aks/*.hcp.japaneast.azmk8s.io"),
        ("row as in the file", "*.hcp.{location}.azmk8s.io", "aks/*.hcp.japaneast.azmk8s.io"),
        ("deprecated", "deprecated", "aks/acs-mirror.azureedge.net"),
    ] {
        assert!(all.iter().any(|name| name == gone), "{label}");
        let left = names(&[exclude]);
        assert!(!left.iter().any(|name| name == gone), "{label}");
        assert_eq!(left.len(), all.len() - 1, "{label}");
    }
}

#[test]
fn learns_private_answers_only_where_private_link_is_stated() {
    let private = |value: &str| -> Vec<String> {
        let (_, rules) = ask("eks", &[("private-link", value)], &["irsa-global-sts"], &[]).unwrap();
        rules.into_iter().filter(|rule| rule.allow_private_answers).map(|rule| rule.name).collect()
    };

    assert!(private("false").is_empty());
    assert_eq!(private("true").len(), 5);
    assert!(!private("true").iter().any(|name| name == "eks/sts.amazonaws.com"));
}

#[test]
fn takes_several_addresses_for_a_blank() {
    let parameters = [("dns-server", "192.0.2.53, 2001:db8::53")];
    let (_, rules) = ask("aks", &parameters, &["custom-dns"], &[]).unwrap();

    let dns = rules.iter().find(|rule| rule.name == "aks/dns-server").unwrap();
    assert_eq!(shown_to(dns), "192.0.2.53/32 2001:db8::53/128");
}

#[test]
fn refuses_what_a_preset_does_not_have() {
    let mut report = String::new();
    for (label, name, parameters, include, exclude) in REFUSED {
        let problems = ask_exactly(name, parameters, include, exclude).unwrap_err();
        writeln!(report, "{label}").unwrap();
        for Problem { about, message, help } in problems {
            writeln!(report, "  {about:?}: {message}\n    {help}").unwrap();
        }
    }

    insta::assert_snapshot!(report);
}

type Asked = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [&'static str],
);

const JAPAN: (&str, &str) = ("location", "japaneast");
const REFUSED: &[Asked] = &[
    ("nearly a name", "akz", &[], &[], &[]),
    ("no name at all", "openshift", &[], &[], &[]),
    ("another date", "aks@2025-01", &[], &[], &[]),
    ("parameter missing", "aks", &[], &[], &[]),
    ("parameter missing for a condition", "aks", &[JAPAN], &["custom-dns"], &[]),
    ("parameter misspelt", "aks", &[JAPAN, ("locaton", "japaneast")], &[], &[]),
    ("parameter of a preset without", "gke", &[JAPAN], &[], &[]),
    ("region as the portal shows it", "aks", &[("location", "Japan East")], &[], &[]),
    ("region with a dot", "aks", &[("location", "evil.example.net/")], &[], &[]),
    ("region with a wildcard", "aks", &[("location", "*")], &[], &[]),
    ("choice", "aks", &[JAPAN, ("cloud", "Public")], &[], &[]),
    ("no address", "aks", &[JAPAN, ("dns-server", "ns.example.net")], &["custom-dns"], &[]),
    ("address of no use", "aks", &[JAPAN, ("dns-server", "192.0.2.53")], &[], &[]),
    ("condition misspelt", "aks", &[JAPAN], &["windws"], &[]),
    ("condition of a preset", "eks", &[JAPAN], &["windows"], &[]),
    ("exclusion misspelt", "aks", &[JAPAN], &[], &["public-clusters"]),
    ("in and out", "aks", &[JAPAN], &["gpu"], &["gpu"]),
    ("nothing left", "ubuntu-node", &[], &[], &["optional"]),
];

#[test]
fn refuses_a_file_that_is_not_of_the_form() {
    const HEAD: &str = "name: x\ndate: '2026'\ntitle: x\nsources: [{title: x}]\nnotes: []\n\
                        parameters: []\nconditions: []\nrows: ";
    const CASES: &[(&str, &str, bool)] = &[
        ("name", "[{fqdn: a.example, ports: [tcp/1], purpose: x}]", true),
        ("unknown key", "[{fqdn: a.example, ports: [tcp/1], purpose: x, note: y}]", false),
        ("both", "[{fqdn: a.example, cidr: any, ports: [tcp/1], purpose: x}]", false),
        ("neither", "[{ports: [tcp/1], purpose: x}]", false),
        ("no ports", "[{fqdn: a.example, ports: [], purpose: x}]", false),
        ("no such port", "[{fqdn: a.example, ports: [tcp/https], purpose: x}]", false),
        ("no name", "[{fqdn: a..example, ports: [tcp/1], purpose: x}]", false),
        ("no range", "[{cidr: everywhere, ports: [tcp/1], purpose: x}]", false),
        ("blank", "[{fqdn: '{a}.example', ports: [tcp/1], purpose: x}]", false),
        ("condition", "[{fqdn: a.example, ports: [tcp/1], when: x, purpose: x}]", false),
        ("cloud", "[{fqdn: a.example, ports: [tcp/1], cloud: x, purpose: x}]", false),
        ("source", "[{fqdn: a.example, ports: [tcp/1], source: 1, purpose: x}]", false),
    ];
    for (label, rows, is_valid) in CASES {
        assert_eq!(Preset::read(&format!("{HEAD}{rows}")).is_ok(), *is_valid, "{label}");
    }
}

/// Asks with the examples for whatever is needed and not given.
fn ask(name: &str, parameters: &[(&str, &str)], include: &[&str], exclude: &[&str]) -> Expansion {
    let (given, include, exclude) = (texts(parameters), owned(include), owned(exclude));
    let request = Request { name, parameters: &given, include: &include, exclude: &exclude };
    let parameters = with_examples(&request).map_err(|problem| vec![problem])?;
    expand(&Request { parameters: &parameters, ..request })
}

fn ask_exactly(
    name: &str,
    parameters: &[(&str, &str)],
    include: &[&str],
    exclude: &[&str],
) -> Expansion {
    let (parameters, include, exclude) = (texts(parameters), owned(include), owned(exclude));
    expand(&Request { name, parameters: &parameters, include: &include, exclude: &exclude })
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn everything(preset: &Preset, parameters: &[(&str, &str)]) -> Vec<PresetRule> {
    let conditions: Vec<&str> =
        preset.conditions.iter().map(|condition| condition.name.as_str()).collect();
    ask(&preset.dated(), parameters, &conditions, &[]).unwrap().1
}

fn is_open(rule: &PresetRule) -> bool {
    rule.to.iter().any(|to| matches!(to, PresetDestination::Cidr(range) if range.prefix_len() == 0))
}

/// The charset and length that a policy allows.
fn is_valid_name(name: &str) -> bool {
    let is_allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_./@:*".contains(&b);
    (1..=63).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn shown(rules: &[PresetRule]) -> String {
    let line = |rule: &PresetRule| {
        let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
        format!("{}: {} ({})", rule.name, shown_to(rule), ports.join(", "))
    };
    rules.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn shown_to(rule: &PresetRule) -> String {
    let to = rule.to.iter().map(|to| match to {
        PresetDestination::Fqdn(pattern) => pattern.to_string(),
        PresetDestination::Cidr(range) => range.to_string(),
    });
    to.collect::<Vec<_>>().join(" ")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn every_preset_says_when_what_it_copies_was_published_or_read() {
    for preset in list() {
        let mut sources = preset.sources.iter();
        let has_date = sources.any(|source| source.date.is_some() || source.read.is_some());
        assert!(has_date, "{}", preset.dated());
    }
}

#[test]
fn every_preset_is_on_the_page_of_the_policy_file() {
    let page = include_str!("../../../../docs/policy.md");
    for preset in list() {
        let line = format!("| `{}` | {} | {} |", preset.name, preset.date, preset.title);
        assert!(page.contains(&line), "docs/policy.md has no line `{line}`");
    }
    let lines = page.lines().filter(|line| line.starts_with("| `") && line.contains(" | 20"));
    assert_eq!(lines.count(), list().len());
}
