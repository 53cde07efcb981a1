//! The command line: one file a verb, each a thin layer over the library.
//!
//! Verbs that read (`status`, `names`, `explain`) look at the pinned maps and so work with the
//! agent down. Names, exit codes and JSON keys are a contract: keys may be added, none changes.
//!
//! The only place that prints. Results go to standard output, all else to standard error; a
//! reader that goes away (`enforcer status | head -1`) is no error.

pub mod check;
mod completion;
pub mod exit;
pub mod explain;
mod man;
mod names;
pub mod output;
pub mod presets;
mod run;
pub mod schema;
mod status;
mod unload;

use std::path::PathBuf;

pub use self::exit::Exit;

/// A node-level egress firewall: names and addresses a node may reach; the kernel drops the rest.
#[derive(Debug, clap::Parser)]
#[command(name = "enforcer", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Status(status::StatusArgs),
    Names(names::NamesArgs),
    Presets(presets::PresetsArgs),
    Schema(schema::SchemaArgs),
    Unload(unload::UnloadArgs),
    Completion(completion::CompletionArgs),
    Man(man::ManArgs),
}

/// Where the pins are.
#[derive(Debug, Clone, clap::Args)]
pub struct Pins {
    /// The folder of pins, on a bpffs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/sys/fs/bpf/enforcer",
        env = "ENFORCER_BPFFS"
    )]
    pub bpffs: PathBuf,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    ///
    /// What kept it from being done; its exit code is [`Exit::Error`].
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::Run(args) => run::run(args),
            Verb::Check(args) => check::run(&args),
            Verb::Explain(args) => explain::run(&args),
            Verb::Status(args) => status::run(&args),
            Verb::Names(args) => names::run(&args),
            Verb::Presets(args) => presets::run(&args),
            Verb::Schema(args) => schema::run(&args),
            Verb::Unload(args) => unload::run(&args),
            Verb::Completion(args) => completion::run(&args),
            Verb::Man(args) => man::run(&args),
        }
    }
}
