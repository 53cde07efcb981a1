//! `enforcer presets`: the embedded presets, and what each stands for. Needs no kernel.

mod diff;
mod show;

use std::collections::BTreeMap;

use anyhow::anyhow;
use serde::Serialize;

use super::{
    Exit,
    output::{self, OutputFormat},
};
use crate::policy::{
    API_VERSION,
    preset::{self, Preset, PresetRule, Problem, Request},
};

/// Show the embedded presets: published lists of destinations, by platform and date
#[derive(Debug, clap::Args)]
pub struct PresetsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Show(ShowArgs),
    Diff(DiffArgs),
}

/// Show what changes from one preset to another, as published: `presets diff aks@2019-06 aks`
#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The first, such as `aks@2019-06`
    from: String,
    /// The second, such as `aks` (the newest)
    to: String,
    /// The form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// List all presets
#[derive(Debug, Default, clap::Args)]
struct ListArgs {
    /// The form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// Leave out the header of the table
    #[arg(long)]
    no_headers: bool,
}

/// Show one preset: parameters, conditions, rows and sources; with `-o yaml`, its rules as a policy
/// has them
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The preset, such as `aks` (the newest) or `aks@2019-06`
    name: String,
    /// The form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// A parameter of the rules; examples stand for what is not set
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    set: Vec<(String, String)>,
    /// A condition whose rules are wanted
    #[arg(long, value_name = "CONDITION", value_delimiter = ',')]
    include: Vec<String>,
    /// A condition or destination whose rules are not wanted
    #[arg(long, value_name = "CONDITION", value_delimiter = ',')]
    exclude: Vec<String>,
}

/// Shows presets.
///
/// # Errors
///
/// There is no such preset, parameter or condition, or the result cannot be printed.
pub fn run(args: &PresetsArgs) -> anyhow::Result<Exit> {
    let text = match &args.verb {
        None => list(&ListArgs::default())?,
        Some(Verb::List(args)) => list(args)?,
        Some(Verb::Diff(args)) => compared(args)?,
        Some(Verb::Show(args)) => {
            let asked = Asked::of(args)?;
            match args.output {
                OutputFormat::Table => show::table(asked.preset, false),
                OutputFormat::Wide => show::table(asked.preset, true),
                OutputFormat::Json => show::json(&asked)?,
                OutputFormat::Yaml => show::rules(&asked),
            }
        }
    };
    output::print(&text)?;
    Ok(Exit::Fine)
}

fn compared(args: &DiffArgs) -> anyhow::Result<String> {
    let find = |name: &str| preset::find(name).map_err(|problem| anyhow!(refused(&problem)));
    let (from, to) = (find(&args.from)?, find(&args.to)?);
    let difference = preset::difference(from, to);
    match args.output {
        OutputFormat::Table | OutputFormat::Wide => Ok(diff::table(from, to, &difference)),
        OutputFormat::Json => output::json(&diff::Document::of(from, to, &difference)),
        OutputFormat::Yaml => output::yaml(&diff::Document::of(from, to, &difference)),
    }
}

fn refused(problem: &Problem) -> String {
    format!("{}; {}", problem.message, problem.help)
}

/// One preset and its rules.
struct Asked {
    preset: &'static Preset,
    rules: Vec<PresetRule>,
    /// Parameters whose examples were taken.
    examples: Vec<(String, String)>,
}

impl Asked {
    fn of(args: &ShowArgs) -> anyhow::Result<Self> {
        let given: BTreeMap<String, String> = args.set.iter().cloned().collect();
        let ShowArgs { name, include, exclude, .. } = args;
        let request = Request { name, parameters: &given, include, exclude };
        let preset = preset::find(name).map_err(|problem| anyhow!(refused(&problem)))?;
        let parameters =
            preset::with_examples(&request).map_err(|problem| anyhow!(refused(&problem)))?;
        let (_, rules) = preset::expand(&Request { parameters: &parameters, ..request }).map_err(
            |problems| anyhow!(problems.iter().map(refused).collect::<Vec<_>>().join("\n")),
        )?;
        let examples = parameters.into_iter().filter(|(name, _)| !given.contains_key(name));
        Ok(Self { preset, rules, examples: examples.collect() })
    }
}

/// One line of the list; keys may be added, none is renamed.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    date: &'static str,
    /// Rules without anything included or excluded.
    rules: usize,
    title: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: &'static str,
    kind: &'static str,
    presets: Vec<Line>,
}

fn list(args: &ListArgs) -> anyhow::Result<String> {
    let presets = preset::list().iter().map(line).collect();
    let document = Document { api_version: API_VERSION, kind: "Presets", presets };
    match args.output {
        OutputFormat::Json => output::json(&document),
        OutputFormat::Yaml => output::yaml(&document),
        OutputFormat::Table | OutputFormat::Wide => {
            let header = ["NAME", "DATE", "RULES", "TITLE"];
            let rows = document.presets.iter().map(|line| {
                [line.name, line.date, &line.rules.to_string(), line.title]
                    .map(str::to_owned)
                    .to_vec()
            });
            Ok(output::columns((!args.no_headers).then_some(&header), rows))
        }
    }
}

fn line(preset: &'static Preset) -> Line {
    let name = preset.dated();
    let nothing = BTreeMap::new();
    let request = Request { name: &name, parameters: &nothing, include: &[], exclude: &[] };
    let parameters = preset::with_examples(&request).unwrap_or_default();
    let rules = preset::expand(&Request { parameters: &parameters, ..request });
    Line {
        name: &preset.name,
        date: &preset.date,
        rules: rules.map_or(0, |(_, rules)| rules.len()),
        title: &preset.title,
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as `location=japaneast`".to_owned()),
    }
}

#[cfg(test)]
mod tests;
