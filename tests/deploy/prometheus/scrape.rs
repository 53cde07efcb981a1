//! What an agent answers a scrape with, in the classic text format.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Output, Stdio},
};

/// Labels of a metric, each with the values that it has.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics of a scrape.
pub(crate) fn metrics(text: &str) -> BTreeMap<String, Labels> {
    let mut metrics = BTreeMap::<String, Labels>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        let (name, mut rest) = series.split_once('{').unwrap_or((series, ""));
        let labels = metrics.entry(name.to_owned()).or_default();
        while let Some((label, behind)) = rest.split_once("=\"") {
            let (value, behind) = behind.split_once('"').expect("the end of a value");
            let label = label.trim_start_matches(',').to_owned();
            labels.entry(label).or_default().insert(value.to_owned());
            rest = behind;
        }
    }
    metrics
}

/// What Prometheus's checker says of a scrape.
pub(crate) fn checked(text: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn labels_are_read_with_all_their_values() {
    let text =
        "# HELP a_total x\na_total{b=\"1\",c=\"d e\"} 3\na_total{b=\"2\",c=\"d e\"} 0\nf 1\n";

    let found = metrics(text);

    let values =
        |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found["a_total"]["b"], values(&["1", "2"]));
    assert_eq!(found["a_total"]["c"], values(&["d e"]));
    assert!(found["f"].is_empty() && found.len() == 2);
}

#[test]
fn a_scrape_against_the_habits_of_prometheus_is_complained_of() {
    let done = checked("# TYPE a counter\na 1\n");

    assert!(!done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("_total") && said.contains("help"), "{said}");
}
