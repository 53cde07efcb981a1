//! The classic text format (version 0.0.4), for scrapers that do not ask for `OpenMetrics`.

use std::fmt::Write as _;

use super::families::{Family, Kind, Sample};

/// What the format is called in HTTP.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes families down.
pub(super) fn write(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let (name, kind) = match family.kind {
            Kind::Counter => (format!("{}_total", family.name), "counter"),
            Kind::Gauge => (family.name.to_owned(), "gauge"),
        };
        // Writing to a string cannot fail.
        let _: std::fmt::Result =
            write!(text, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help);
        for Sample { labels, value } in &family.samples {
            let labels: Vec<_> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            let labels =
                if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _: std::fmt::Result = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

/// Backslash, quote and line end, as the format wants them.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
