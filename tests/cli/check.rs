//! `check` and `explain --policy`: a policy file is all they need.

use std::process::Output;

use assert_cmd::Command;
use enforcer_tests::binary;

const GOOD: &str = "apiVersion: enforcer.dev/v1alpha1
kind: EgressPolicy
metadata: {name: good}
spec:
  dns: {resolvers: [192.0.2.53]}
  rules:
    - name: web
      to: [{fqdn: www.example.com}, {cidr: 203.0.113.0/24}]
      ports: [tcp/443]
";

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary::enforcer().unwrap());
    command.args(arguments).write_stdin(input).env("NO_COLOR", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_valid_policy_exits_with_0() {
    let done = run(&["check", "--policy", "-"], GOOD);

    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).contains("valid"), "{done:?}");
}

#[test]
fn a_policy_that_does_not_fit_into_the_kernel_is_none() {
    let rules: Vec<String> = (1..=512)
        .map(|port| format!("    - {{name: r{port}, to: [{{cidr: any}}], ports: [tcp/{port}]}}"))
        .collect();
    let done = run(&["check", "--policy", "-"], &format!("{GOOD}{}\n", rules.join("\n")));

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = text(&done.stderr);
    assert!(said.contains("has 513 rules") && said.contains(":6:3"), "{said}");
    let done = run(&["check", "--policy", "-"], &format!("{GOOD}{}\n", rules[1..].join("\n")));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn an_invalid_policy_exits_with_1_and_tells_where() {
    let done = run(&["check", "--policy", "-"], &GOOD.replace("tcp/443", "tcp:443"));

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("<stdin>:9:15"), "{}", text(&done.stderr));
}

#[test]
fn an_unquoted_wildcard_has_its_own_message() {
    let done = run(&["check", "--policy", "-"], &GOOD.replace("www.example.com", "*.example.com"));

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("put the wildcard in quotes"), "{}", text(&done.stderr));
}

#[test]
fn warnings_change_the_exit_code_only_when_strict() {
    let doubtful = GOOD.replace("203.0.113.0/24", "203.0.113.1/24");

    let lenient = run(&["check", "--policy", "-"], &doubtful);
    let strict = run(&["check", "--strict", "--policy", "-"], &doubtful);

    assert_eq!(lenient.status.code(), Some(0), "{lenient:?}");
    assert_eq!(strict.status.code(), Some(1), "{strict:?}");
}

#[test]
fn json_has_the_keys_that_others_depend_on() {
    let bad = GOOD.replace("www.example.com", "www..example.com");
    let done = run(&["check", "-o", "json", "--policy", "-"], &bad);

    let value: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&value["kind"], &value["valid"]), (&"Check".into(), &false.into()));
    let found = &value["diagnostics"][0];
    assert_eq!(found["severity"], "error");
    assert_eq!((&found["line"], &found["column"]), (&8.into(), &19.into()), "{value:#}");
    assert_eq!(found["text"], "www..example.com");
    assert!(found["message"].is_string() && found["help"].is_string());
}

#[test]
fn a_missing_file_exits_with_1_and_its_name() {
    let done = run(&["check", "--policy", "/nonexistent/policy.yaml"], "");

    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("/nonexistent/policy.yaml"), "{done:?}");
}

#[test]
fn explain_tells_the_rule_the_destination_and_the_line() {
    let folder = tempfile("explain");
    let path = folder.join("policy.yaml");
    std::fs::write(&path, GOOD).unwrap();
    let path = path.to_str().unwrap();
    let explain = |destination: &str| {
        let done = run(&["explain", "--policy", path, "-o", "json", destination], "");
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()
    };

    let name = explain("www.example.com:443");
    assert_eq!((&name["verdict"], &name["reason"]), (&"allow".into(), &"rule".into()));
    assert_eq!((&name["rule"], &name["endpoint"]), (&"web".into(), &"www.example.com".into()));
    assert_eq!(name["line"], 8);
    let address = explain("203.0.113.9");
    assert_eq!(address["endpoint"], "203.0.113.0/24");
    for refused in ["example.com", "203.0.113.9:80", "203.0.114.1", "192.0.2.53:53/sctp"] {
        let explained = explain(refused);
        assert_eq!(explained["verdict"], "deny", "{refused}");
        assert_eq!(explained["reason"], "no-rule", "{refused}");
    }
    assert_eq!(explain("192.0.2.53:53/udp")["rule"], "dns");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_denied_name_that_a_preset_has_is_told_with_the_preset() {
    let folder = tempfile("suggest");
    let path = folder.join("policy.yaml");
    let old = "  presets: [{name: \"aks@2019-06\", parameters: {location: japaneast}}]\n";
    std::fs::write(&path, format!("{GOOD}{old}")).unwrap();
    let explain = |name: &str| {
        let done = run(&["explain", "--policy", path.to_str().unwrap(), name], "");
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        text(&done.stdout)
    };

    let newer = explain("packages.aks.azure.com:443");
    assert!(newer.contains("`enforcer presets diff aks@2019-06 aks@2026-06`"), "{newer}");
    let other = explain("registry.k8s.io:443");
    assert!(other.contains("under the condition `registry`"), "{other}");
    for name in ["www.example.com:443", "www.example.org:443", "mcr.microsoft.com:443"] {
        assert!(!explain(name).contains("preset `"), "{name}");
    }
    let warned = run(&["check", "--policy", path.to_str().unwrap()], "");
    assert!(text(&warned.stdout).contains("`aks@2019-06` is older than `aks@2026-06`"));
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempfile(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("enforcer-cli-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
