//! Policies as text: what they mean, and what is said about the bad ones.

mod documents;
mod meaning;
mod place;

use std::{fs, path::Path};

use super::{Parsed, Policy, parse, schema};

/// Fewer would mean that a kind of mistake has lost its test.
const MIN_BAD_POLICIES: usize = 40;

#[test]
fn explains_every_bad_policy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/tests/bad");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();

    assert!(files.len() >= MIN_BAD_POLICIES, "only {} bad policies", files.len());
    for file in files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&file).unwrap();
        let Parsed { policy, diagnostics } = parse(&source);

        assert_eq!(policy, None, "{stem} is valid");
        let findings: Vec<_> =
            diagnostics.iter().map(|found| found.render("policy.yaml", &source)).collect();
        insta::with_settings!({ snapshot_suffix => stem, snapshot_path => "tests/snapshots", omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("bad", findings.join("\n\n"));
        });
    }
}

#[test]
fn reads_two_hundred_thousand_endpoints_in_time_that_grows_with_them() {
    use std::fmt::Write as _;
    let mut text = policy_text("  rules:\n    - name: names\n      to:\n");
    for index in 0..100_000 {
        writeln!(text, "        - fqdn: host-{index}.example.com").unwrap();
    }
    text += "    - name: ranges\n      to:\n";
    for index in 0..100_000 {
        writeln!(text, "        - {{cidr: 10.{}.{}.0/24}}", index >> 8 & 255, index & 255).unwrap();
    }

    let policy = read(&text);

    assert_eq!(policy.rules.iter().map(|rule| rule.to.len()).collect::<Vec<_>>(), [100_000; 2]);
}

#[test]
fn the_schema_has_the_keys_that_the_parser_knows() {
    use super::validate::{
        KEYS, METADATA_KEYS, SPEC_KEYS, bypass, dns, endpoint, forwarded, presets, rule,
    };
    let schema = serde_json::to_value(schema::schema()).unwrap();
    let keys = |pointer: &str| -> Vec<String> {
        let properties = schema.pointer(pointer).and_then(|value| value.get("properties"));
        let properties = properties.unwrap_or_else(|| panic!("{pointer} in {schema:#}"));
        properties.as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |keys: &[&str]| -> Vec<String> {
        let mut keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    let later: Vec<&str> = dns::KEYS.iter().copied().filter(|key| *key != "queries").collect();

    assert_eq!(keys(""), sorted(&KEYS));
    assert_eq!(keys("/$defs/Metadata"), sorted(&METADATA_KEYS));
    assert_eq!(keys("/properties/spec"), sorted(&SPEC_KEYS));
    assert_eq!(keys("/$defs/Bypass"), sorted(&bypass::KEYS));
    assert_eq!(keys("/$defs/Forwarded"), sorted(&forwarded::KEYS));
    assert_eq!(keys("/$defs/Dns"), sorted(&later));
    assert_eq!(keys("/$defs/Preset"), sorted(&presets::KEYS));
    assert_eq!(keys("/$defs/Rule"), sorted(&rule::KEYS));
    assert_eq!(keys("/$defs/To"), sorted(&endpoint::KEYS));
}

/// A policy file around the body of its `spec`.
fn policy_text(spec: &str) -> String {
    format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: node}}\n\
         spec:\n{spec}"
    )
}

/// The policy of a text that has no errors.
fn read(text: &str) -> Policy {
    let Parsed { policy, diagnostics } = parse(text);
    policy.unwrap_or_else(|| {
        let findings: Vec<_> =
            diagnostics.iter().map(|found| found.render("policy.yaml", text)).collect();
        panic!("{}", findings.join("\n\n"))
    })
}
