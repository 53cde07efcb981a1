//! `enforcer check`: is this policy valid, and what is doubtful about it? Needs no kernel.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, output};
use crate::policy::{
    self, Endpoint, Parsed, Policy,
    diagnostic::{Diagnostic, Severity},
};

/// Check a policy file: errors and warnings with line, column and a snippet. Needs no kernel
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The policy file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// How to print the findings
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// How the findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Each with its line of the file; on standard error when the policy is refused.
    #[default]
    Text,
    /// One JSON document on standard output.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Checks a policy file.
///
/// # Errors
///
/// The file cannot be read, or the findings cannot be printed.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let source = read(&args.policy)?;
    let path = if args.policy == Path::new("-") {
        "<stdin>".to_owned()
    } else {
        args.policy.display().to_string()
    };
    let (text, is_good) = check(&source, &path, args.strict);
    let document = || policy::parse(&source);
    match args.output {
        Format::Text if is_good => output::print(&format!("{text}\n"))?,
        Format::Text => output::complain(&format!("{text}\n")),
        Format::Json => output::print(&output::json(&Document::of(&document()))?)?,
        Format::Yaml => output::print(&output::yaml(&Document::of(&document()))?)?,
    }
    Ok(if is_good { Exit::Fine } else { Exit::Error })
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    }
    .with_context(|| format!("read the policy {}", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("read the policy {} as UTF-8", path.display()))
}

/// The findings as text, a summary line last, and whether the policy is good: valid, and without
/// warnings when `strict`.
pub fn check(source: &str, path: &str, strict: bool) -> (String, bool) {
    let parsed = policy::parse(source);
    let mut paragraphs: Vec<String> =
        parsed.diagnostics.iter().map(|found| found.render(path, source)).collect();
    let (errors, warnings) = (count(&parsed, Severity::Error), count(&parsed, Severity::Warning));
    let is_good = parsed.policy.is_some() && !(strict && warnings > 0);
    let found = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    paragraphs.push(match &parsed.policy {
        Some(policy) if is_good => format!("{path}: valid, {}; {found}", contents(policy)),
        Some(_) => format!("{path}: valid, but not without warnings; {found}"),
        None => format!("{path}: not valid; {found}"),
    });
    (paragraphs.join("\n\n"), is_good)
}

fn contents(policy: &Policy) -> String {
    let endpoints = || policy.rules.iter().flat_map(|rule| &rule.to);
    let names = endpoints().filter(|to| matches!(to, Endpoint::Fqdn { .. })).count();
    let ranges = endpoints().count() - names;
    format!(
        "policy {} in mode {}: {}, {}, {}",
        policy.name,
        policy.mode,
        plural(policy.rules.len(), "rule"),
        plural(names, "name"),
        plural(ranges, "range"),
    )
}

fn count(parsed: &Parsed, severity: Severity) -> usize {
    parsed.diagnostics.iter().filter(|found| found.severity == severity).count()
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The machine-readable form; keys may be added, none is renamed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: &'static str,
    kind: &'static str,
    valid: bool,
    diagnostics: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    severity: String,
    line: u32,
    column: u32,
    text: String,
    message: String,
    help: String,
}

impl Document {
    fn of(parsed: &Parsed) -> Self {
        Self {
            api_version: policy::API_VERSION,
            kind: "Check",
            valid: parsed.policy.is_some(),
            diagnostics: parsed.diagnostics.iter().map(Finding::of).collect(),
        }
    }
}

impl Finding {
    fn of(found: &Diagnostic) -> Self {
        Self {
            severity: found.severity.to_string(),
            line: found.line,
            column: found.column,
            text: found.text.clone(),
            message: found.message.clone(),
            help: found.help.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
