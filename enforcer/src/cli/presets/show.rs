//! One preset, for people, for programs, and for a policy file.

use serde::Serialize;

use super::Asked;
use crate::{
    cli::output,
    policy::{
        API_VERSION, Action,
        preset::{Parameter, Preset, PresetDestination, PresetRule, Row, Source},
    },
};

/// How many conditions are named that need a parameter.
const NAMED: usize = 3;

/// All that a preset has, as it stands in its file; `is_wide`: where each row comes from as well.
pub(super) fn table(preset: &Preset, is_wide: bool) -> String {
    let mut sections = vec![format!("{}  {}\n", preset.dated(), preset.title)];
    let mut section = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let table = output::columns((!header.is_empty()).then_some(header), rows);
            sections.push(format!("{title}\n{}", indented(&table)));
        }
    };
    let parameters = preset.parameters.iter().map(|parameter| {
        let example = parameter.example.clone().unwrap_or_else(|| parameter.choices.join("|"));
        vec![parameter.name.clone(), need(preset, parameter), example, sentence(parameter)]
    });
    section("Parameters", &["NAME", "NEEDED", "EXAMPLE", "MEANING"], parameters.collect());
    let conditions = preset.conditions.iter().map(|condition| {
        let default = if condition.default { "on" } else { "off" };
        let rows = preset.rows.iter().filter(|row| row.when.as_ref() == Some(&condition.name));
        let rows = rows.count().to_string();
        vec![condition.name.clone(), default.to_owned(), rows, condition.description.clone()]
    });
    section("Conditions", &["NAME", "DEFAULT", "ROWS", "APPLIES TO"], conditions.collect());
    let mut header = vec!["DESTINATION", "PORTS", "WHEN", "CLOUD", "PURPOSE"];
    if is_wide {
        header.push("SOURCE");
    }
    let rows = preset.rows.iter().map(|row| self::row(row, is_wide)).collect();
    section("Rows", &header, rows);
    let sources = preset.sources.iter().zip(1..);
    let sources = sources.map(|(source, number)| vec![format!("{number}"), cited(source)]);
    section("Sources", &[], sources.collect());
    section("Notes", &[], preset.notes.iter().map(|note| vec![note.clone()]).collect());
    sections.join("\n")
}

fn row(row: &Row, is_wide: bool) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut purpose = row.purpose.clone();
    for (is_set, mark) in [(row.deprecated, "deprecated"), (row.derived, "derived")] {
        if is_set {
            purpose = format!("{purpose} ({mark})");
        }
    }
    let when = row.when.clone().unwrap_or_else(|| "always".to_owned());
    let mut cells =
        vec![row.text().to_owned(), row.ports.join(" "), when, or_dash(&row.cloud), purpose];
    if is_wide {
        cells.push((row.source + 1).to_string());
    }
    cells
}

/// When a policy has to state a parameter.
fn need(preset: &Preset, parameter: &Parameter) -> String {
    if let Some(default) = &parameter.default {
        return format!("no, {default}");
    }
    let blank = format!("{{{}}}", parameter.name);
    let mut conditions: Vec<&str> = Vec::new();
    for row in preset.rows.iter().filter(|row| row.text().contains(&blank)) {
        match &row.when {
            None => return "yes".to_owned(),
            Some(when) if preset.condition(when).is_some_and(|known| known.default) => {
                return "yes".to_owned();
            }
            Some(when) if !conditions.contains(&when.as_str()) => conditions.push(when),
            Some(_) => {}
        }
    }
    // A table must not be as wide as the longest list.
    let rest = conditions.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("for {}{more}", conditions.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}

fn sentence(parameter: &Parameter) -> String {
    if parameter.choices.is_empty() {
        parameter.description.clone()
    } else {
        format!("{}: {}", parameter.description, parameter.choices.join(", "))
    }
}

fn cited(source: &Source) -> String {
    match (&source.date, &source.read) {
        (Some(date), _) => format!("{} ({date})", source.title),
        (None, Some(read)) => format!("{} (no date, read {read})", source.title),
        (None, None) => source.title.clone(),
    }
}

fn indented(table: &str) -> String {
    table.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}

/// The rules as a policy's `spec` has them.
pub(super) fn rules(asked: &Asked) -> String {
    let head = format!("# {}: {}\n", asked.preset.dated(), asked.preset.title);
    let examples = asked.examples.iter().map(|(name, value)| {
        format!("# `{value}` is an example: set yours with `--set {name}=...`\n")
    });
    let rules = asked.rules.iter().map(rule);
    [head].into_iter().chain(examples).chain(["rules:\n".to_owned()]).chain(rules).collect()
}

fn rule(rule: &PresetRule) -> String {
    let to = rule.to.iter().map(|to| match to {
        PresetDestination::Fqdn(pattern) => format!("{{fqdn: \"{pattern}\"}}"),
        PresetDestination::Cidr(range) => format!("{{cidr: \"{range}\"}}"),
    });
    let to = to.collect::<Vec<_>>().join(", ");
    let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
    let private = if rule.allow_private_answers { "    allowPrivateAnswers: true\n" } else { "" };
    let ports = ports.join(", ");
    let action = if rule.action == Action::Deny { "    action: deny\n" } else { "" };
    format!("  - name: \"{}\"\n{action}    to: [{to}]\n    ports: [{ports}]\n{private}", rule.name)
}

/// The preset and its rules; keys may be added, none is renamed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    preset: &'a Preset,
    rules: Vec<RuleDocument<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleDocument<'a> {
    name: &'a str,
    action: String,
    to: Vec<ToDocument>,
    ports: Vec<String>,
    allow_private_answers: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ToDocument {
    Fqdn(String),
    Cidr(String),
}

/// The preset and its rules as JSON.
pub(super) fn json(asked: &Asked) -> anyhow::Result<String> {
    let to = |to: &PresetDestination| match to {
        PresetDestination::Fqdn(pattern) => ToDocument::Fqdn(pattern.to_string()),
        PresetDestination::Cidr(range) => ToDocument::Cidr(range.to_string()),
    };
    let rules = asked.rules.iter().map(|rule| RuleDocument {
        name: &rule.name,
        action: rule.action.to_string(),
        to: rule.to.iter().map(to).collect(),
        ports: rule.ports.iter().map(ToString::to_string).collect(),
        allow_private_answers: rule.allow_private_answers,
    });
    output::json(&Document {
        api_version: API_VERSION,
        kind: "Preset",
        preset: asked.preset,
        rules: rules.collect(),
    })
}
