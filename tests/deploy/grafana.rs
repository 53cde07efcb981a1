//! The dashboard. No Grafana reads it here: its queries are checked by Prometheus, in
//! `prometheus::live`, and what surrounds them is compared with itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    prometheus::{expression::names, page},
    tools::root,
};

/// What Grafana puts in place of its variables.
const VARIABLES: [(&str, &str); 3] =
    [("$node", "127.0.0.1"), ("$__rate_interval", "1m"), ("$__range", "1h")];

const ROWS: [&str; 6] = ["Verdicts", "Drops by reason", "Rule hits", "DNS", "Maps", "Agent"];

fn dashboard() -> Value {
    let path = root().join("deploy/grafana/enforcer.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn title(panel: &Value) -> &str {
    panel["title"].as_str().unwrap()
}

fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().map_or(&[], Vec::as_slice)
}

/// Each query with its panel, its variables filled in.
pub(crate) fn queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panel = |panel: &Value| -> Vec<(String, String)> {
        let queries = targets(panel).iter().map(|target| filled(target["expr"].as_str().unwrap()));
        queries.map(|query| (title(panel).to_owned(), query)).collect()
    };
    panels(&dashboard).iter().flat_map(of_panel).collect()
}

fn filled(expression: &str) -> String {
    let fill = |text: String, (name, value): (&str, &str)| text.replace(name, value);
    let filled = VARIABLES.into_iter().fold(expression.to_owned(), fill);
    assert!(!filled.contains('$'), "a variable that is not known: {filled}");
    filled
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let asked: BTreeSet<String> =
        queries().iter().flat_map(|(_, expression)| names(expression).metrics).collect();

    assert_eq!(asked, page::metrics());
}

#[test]
fn rows_hold_panels_that_do_not_overlap() {
    let dashboard = dashboard();
    let rows = panels(&dashboard).iter().filter(|panel| panel["type"] == "row").map(title);
    assert_eq!(rows.collect::<Vec<_>>(), ROWS);

    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", title(panel));
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{}", title(panel));
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another panel", title(panel));
        }
    }
}

#[test]
fn every_panel_asks_the_chosen_prometheus_for_the_chosen_nodes() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36));
    assert_eq!(dashboard["__inputs"][0]["name"], "DS_PROMETHEUS");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names_of: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names_of, ["DS_PROMETHEUS", "node"]);
    assert_eq!(variables[1]["query"]["query"], "label_values(enforcer_build_info, node)");
    // What matches everything matches targets without the label, too.
    assert_eq!(variables[1]["allValue"], ".*");

    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        let panel_title = title(panel);
        assert!(!targets(panel).is_empty(), "{panel_title} asks for nothing");
        assert!(
            panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{panel_title}"
        );
        for target in targets(panel) {
            assert_eq!(target["datasource"]["uid"], "${DS_PROMETHEUS}", "{panel_title}");
            let expression = filled(target["expr"].as_str().unwrap());
            let found = names(&expression);
            for metric in &found.metrics {
                let asks = expression.matches(&format!("{metric}{{node=~\"127.0.0.1\"")).count();
                assert_eq!(asks, expression.matches(metric.as_str()).count(), "{expression}");
            }
            for label in legend(target["legendFormat"].as_str().unwrap_or_default()) {
                assert!(found.groups.contains(label), "{panel_title}: no {label} in {expression}");
            }
        }
    }
}

/// The labels that a legend names.
fn legend(format: &str) -> impl Iterator<Item = &str> {
    format.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or_default())
}
