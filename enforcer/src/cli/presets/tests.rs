//! What is shown of presets.

use clap::Parser as _;

use super::{Asked, ListArgs, PresetsArgs, Verb, list, show};
use crate::{cli::output::OutputFormat, policy};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: PresetsArgs,
}

fn asked(words: &[&str]) -> anyhow::Result<Asked> {
    let line = Line::try_parse_from(["presets", "show"].iter().chain(words))?;
    match line.args.verb {
        Some(Verb::Show(args)) => Asked::of(&args),
        other => panic!("{other:?}"),
    }
}

/// A policy with some text under `spec`.
fn policy_of(spec: &str) -> policy::Policy {
    let spec = spec.lines().fold(String::new(), |text, line| text + "  " + line + "\n");
    let source = format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: x}}\nspec:\n{spec}"
    );
    let parsed = policy::parse(&source);
    parsed.policy.unwrap_or_else(|| panic!("{:#?}\n{source}", parsed.diagnostics))
}

#[test]
fn lists_every_preset() {
    insta::assert_snapshot!(list(&ListArgs::default()).unwrap());
}

#[test]
fn lists_as_json_with_stable_keys() {
    let args = ListArgs { output: OutputFormat::Json, no_headers: false };
    let document: serde_json::Value = serde_json::from_str(&list(&args).unwrap()).unwrap();

    assert_eq!(document["kind"], "Presets");
    assert_eq!(document["presets"][0]["name"], "aks");
    assert_eq!(document["presets"][0]["date"], "2026-06");
    assert_eq!(document["presets"][0]["rules"], 9);
}

#[test]
fn leaves_out_the_header() {
    let args = ListArgs { output: OutputFormat::Table, no_headers: true };

    assert!(list(&args).unwrap().starts_with("aks "));
}

#[test]
fn shows_a_preset_as_its_file_has_it() {
    insta::assert_snapshot!(show::table(asked(&["eks"]).unwrap().preset, true));
}

#[test]
fn shows_rules_that_a_policy_reads_as_the_preset_itself() {
    for (label, words, mention) in [
        (
            "bare",
            &["aks", "--set", "location=westus2"][..],
            "name: aks, parameters: {location: westus2}",
        ),
        (
            "ranges",
            &["gke", "--include", "restricted-vip,restricted-vip-ipv6"],
            "name: gke, include: [restricted-vip, restricted-vip-ipv6]",
        ),
        (
            "any address",
            &["aks@2019-06", "--include", "any-address"],
            "name: aks@2019-06, include: [any-address], parameters: {location: japaneast}",
        ),
        (
            "private answers",
            &["eks", "--set", "private-link=true"],
            "name: eks, parameters: {location: ap-northeast-1, private-link: 'true'}",
        ),
    ] {
        let pasted = policy_of(&show::rules(&asked(words).unwrap()));
        let named = policy_of(&format!("presets:\n  - {{{mention}}}"));
        let meaning = |policy: &policy::Policy| -> Vec<String> {
            let rule = |rule: &policy::Rule| {
                let to: Vec<String> = rule.to.iter().map(ToString::to_string).collect();
                format!("{} {to:?} {:?} {}", rule.name, rule.ports, rule.allow_private_answers)
            };
            policy.rules.iter().map(rule).collect()
        };
        assert_eq!(meaning(&pasted), meaning(&named), "{label}");
    }
}

#[test]
fn says_which_values_are_examples() {
    let text = show::rules(&asked(&["aks"]).unwrap());
    assert!(text.contains("# `japaneast` is an example: set yours with `--set location=...`"));

    let text = show::rules(&asked(&["aks", "--set", "location=japaneast"]).unwrap());
    assert!(!text.contains("example"), "{text}");
}

#[test]
fn shows_as_json_with_rules() {
    let text = show::json(&asked(&["aks", "--include", "konnectivity-less"]).unwrap()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();

    assert_eq!(document["kind"], "Preset");
    assert_eq!(document["name"], "aks");
    assert_eq!(document["rows"].as_array().unwrap().len(), 121);
    assert_eq!(document["rules"][0]["name"], "aks/tunnel:udp/1194");
    assert_eq!(document["rules"][0]["to"][0]["cidr"], "0.0.0.0/0");
    assert_eq!(document["parameters"][0]["example"], "japaneast");
}

#[test]
fn says_what_was_meant() {
    for (words, expected) in [
        (&["akz"][..], "there is no preset `akz`; did you mean `aks`?"),
        (&["aks", "--include", "gpus"], "the preset `aks` has no condition `gpus`; did you mean"),
        (&["aks", "--set", "location=Japan East"], "write it as names have it: `japaneast`"),
        (&["aks", "--set", "location"], "write it as `location=japaneast`"),
    ] {
        let error = asked(words).err().unwrap().to_string();
        assert!(error.contains(expected), "{words:?}: {error}");
    }
}
