//! The alerts in their cases, and the cases with alerts that are wrong on purpose.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

use enforcer_tests::scratch::Scratch;
use serde_json::Value;

use super::rules::{ALERTS, folder, rules, text, yaml};

const CASES: &str = "alerts_test.yaml";

/// What the checker says of the cases with these alerts.
fn tested(scratch: &Scratch, alerts: &str) -> Output {
    scratch.write(ALERTS, alerts).unwrap();
    scratch.write(CASES, &fs::read_to_string(folder().join(CASES)).unwrap()).unwrap();
    let file = scratch.path().join(CASES);
    Command::new("promtool").args(["test", "rules"]).arg(file).output().unwrap()
}

/// Each way to have an expression wrong: it never holds, or one comparison always does.
fn wrong(expression: &str) -> Vec<String> {
    let mut wrong = vec!["vector(1) > 2".to_owned()];
    for comparison in [" == ", " > "] {
        for (at, _) in expression.match_indices(comparison) {
            let (before, behind) = (&expression[..at], &expression[at + comparison.len()..]);
            wrong.push(format!("{before} >= -1e9 + {behind}"));
        }
    }
    wrong
}

#[test]
fn each_alert_fires_in_its_case_and_is_silent_in_its_twin() {
    let done =
        tested(&Scratch::make().unwrap(), &fs::read_to_string(folder().join(ALERTS)).unwrap());
    assert!(done.status.success(), "{done:?}");

    let cases = yaml(&folder().join(CASES));
    let cases = cases["tests"].as_array().unwrap();
    for rule in rules(ALERTS) {
        let name = text(&rule, "alert");
        let fires: Vec<bool> = cases
            .iter()
            .map(|case| case["alert_rule_test"].as_array().unwrap())
            .filter(|asked| asked.iter().any(|one| one["alertname"] == name))
            .map(|asked| {
                let is_raised = |one: &Value| !one["exp_alerts"].as_array().unwrap().is_empty();
                asked.iter().filter(|one| one["alertname"] == name).any(is_raised)
            })
            .collect();
        assert!(fires.contains(&true) && fires.contains(&false), "{name}: {fires:?}");
    }
}

#[test]
fn the_cases_notice_each_comparison_that_is_wrong_and_each_wait_that_is_missing() {
    let scratch = Scratch::make().unwrap();
    let all = fs::read_to_string(folder().join(ALERTS)).unwrap();
    for rule in rules(ALERTS) {
        let (name, expression) = (text(&rule, "alert"), text(&rule, "expr"));
        let line = format!("expr: {expression}\n");
        assert_eq!(all.matches(&line).count(), 1, "{name}");
        for wrong in wrong(expression) {
            let done = tested(&scratch, &all.replace(&line, &format!("expr: {wrong}\n")));
            assert!(!done.status.success(), "{name} may as well be: {wrong}");
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(!said.contains("parse error"), "{wrong}: {said}");
        }
        if let Some(wait) = rule["for"].as_str() {
            let at_once = all.replace(&format!("{line}        for: {wait}\n"), &line);
            assert_ne!(at_once, all, "{name}");
            assert!(!tested(&scratch, &at_once).status.success(), "{name} need not wait");
        }
    }
}

#[test]
fn each_alert_says_how_bad_it_is_where_it_is_and_what_it_means() {
    let mut seen = BTreeSet::new();
    for rule in rules(ALERTS) {
        let name = text(&rule, "alert");
        assert!(name.starts_with("Enforcer") && seen.insert(name.to_owned()), "{name}");
        let severity = text(&rule["labels"], "severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        let annotations = &rule["annotations"];
        let summary = text(annotations, "summary");
        let place = if name == "EnforcerPolicyDrift" {
            "$labels.job"
        } else {
            "$labels.node $labels.instance"
        };
        assert!(summary.contains(place), "{name}: {summary}");
        assert!(text(annotations, "description").len() > summary.len() / 2, "{name}");
    }
}
