//! What the page about the metrics says of them and of the alerts.

use std::{collections::BTreeSet, fs};

use super::rules::{ALERTS, rules, text};
use crate::tools::root;

fn page() -> String {
    fs::read_to_string(root().join("docs/metrics.md")).unwrap()
}

/// Every metric that the page lists; a test of the agent holds the list to what there is.
pub(crate) fn metrics() -> BTreeSet<String> {
    let page = page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `enforcer_"));
    rows.map(|row| format!("enforcer_{}", row.split('`').next().unwrap_or_default())).collect()
}

/// The cells of the rows of the page's table of alerts.
fn rows(page: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once("\n## Alerts\n").expect("a section about alerts");
    let section = section.split("\n## ").next().unwrap_or_default();
    // A bar within a cell has a backslash before it.
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|').replace("\\|", "\0");
        line.split('|').map(|cell| cell.trim().trim_matches('`').replace('\0', "|")).collect()
    };
    section.lines().filter(|line| line.starts_with("| `Enforcer")).map(cells).collect()
}

#[test]
fn the_page_lists_exactly_the_alerts_there_are_with_their_expressions() {
    let listed: Vec<Vec<String>> = rows(&page())
        .into_iter()
        .map(|mut row| {
            assert_eq!(row.len(), 5, "{row:?}");
            let means = row.pop().unwrap();
            assert!(!means.is_empty(), "{row:?}");
            row
        })
        .collect();

    let real: Vec<Vec<String>> = rules(ALERTS)
        .iter()
        .map(|rule| {
            let wait = rule["for"].as_str().unwrap_or("at once");
            [text(rule, "alert"), text(&rule["labels"], "severity"), text(rule, "expr"), wait]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    assert_eq!(listed, real);
}

#[test]
fn a_row_of_another_expression_is_another_row() {
    let page = "x\n## Alerts\n\n| a | b |\n|---|---|\n| `EnforcerX` | `a{b=~\"c\\|d\"} > 0` |\n## Next\n| `EnforcerY` |";

    assert_eq!(rows(page), [["EnforcerX", "a{b=~\"c|d\"} > 0"]]);
}
