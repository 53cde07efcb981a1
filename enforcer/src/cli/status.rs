//! `enforcer status`: what is in force, from the pinned maps.

use std::{thread, time::Duration};

use jiff::Timestamp;

use super::{
    Exit, Pins,
    output::{self, OutputFormat},
};
use crate::{
    datapath,
    status::{
        State, Status,
        text::{self, Layout},
    },
};

/// Show mode, hooks, policy, one line a rule with its hits, drops by reason, and names
///
/// Works with the agent down. Exit code 0: enforcing or auditing, all well; 3: degraded, the
/// kernel judges but something is missing; 4: off, nothing is judged.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pins: Pins,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// Show it again every SECS seconds
    #[arg(long, value_name = "SECS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    /// Leave the headings out
    #[arg(long)]
    no_headers: bool,
    /// Order of the rules
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Show only rules that nothing has matched
    #[arg(long)]
    zero: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// As in the policy
    #[default]
    Policy,
    /// Most packets first
    Hits,
    /// Most bytes first
    Bytes,
    /// By name
    Name,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    let Some(seconds) = args.watch else { return show(args) };
    loop {
        show(args)?;
        if args.output == OutputFormat::Table || args.output == OutputFormat::Wide {
            output::print("\n")?;
        }
        thread::sleep(Duration::from_secs(seconds));
    }
}

fn show(args: &StatusArgs) -> anyhow::Result<Exit> {
    let reading = datapath::read(&args.pins.bpffs)?;
    let now = Timestamp::now();
    let mut status = Status::new(reading.as_ref(), now);
    match args.sort {
        Sort::Policy => {}
        Sort::Hits => status.rules.sort_by_key(|rule| std::cmp::Reverse(rule.packets)),
        Sort::Bytes => status.rules.sort_by_key(|rule| std::cmp::Reverse(rule.bytes)),
        Sort::Name => status.rules.sort_by(|one, other| one.name.cmp(&other.name)),
    }
    let layout = Layout {
        is_wide: args.output == OutputFormat::Wide,
        has_no_headers: args.no_headers,
        only_unused: args.zero,
    };
    output::print(&match args.output {
        OutputFormat::Table | OutputFormat::Wide => text::render(&status, layout, now),
        OutputFormat::Json => output::json(&status)?,
        OutputFormat::Yaml => output::yaml(&status)?,
    })?;
    Ok(match status.state {
        State::Enforcing | State::Auditing => Exit::Fine,
        State::Degraded => Exit::Degraded,
        State::Off => Exit::NotEnforcing,
    })
}
