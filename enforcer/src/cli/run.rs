//! `enforcer run`: the agent.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::{Exit, Pins, output::complain};
use crate::{
    agent::{self, OnStart, Options, PolicyFile, PolicyFileError},
    datapath::{self, TcMode},
    uplink::Choice,
};

/// Run the agent: load a policy, resolve its names, attach to the kernel, keep all up to date
///
/// Logs one line `ready` once every hook is attached. SIGHUP, or a change of the policy file,
/// reloads; a policy that does not validate is refused and the one in force goes on. SIGTERM ends
/// the agent; the kernel goes on enforcing (`enforcer unload` ends that).
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The cgroup v2 directory whose processes are judged [default: the cgroup v2 root]
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
    /// Devices whose frames are judged as they leave, whoever sent them: those that routes lead out
    /// by and those of hardware, none, or these [default: auto; none with --cgroup]
    #[arg(long, value_name = "auto|none|IFACE[,IFACE]")]
    tc: Option<Choice>,
    /// How programs are attached to devices [default: tcx where the kernel has it]
    #[arg(long, value_enum)]
    tc_mode: Option<TcMode>,
    /// Address of /metrics, /healthz and /readyz, or `none`
    #[arg(long, value_name = "ADDR:PORT|none", default_value = "127.0.0.1:9469")]
    metrics: Metrics,
    #[command(flatten)]
    pins: Pins,
    /// What holds from the start until the agent is ready
    #[arg(long, value_enum, default_value_t)]
    on_start: OnStart,
    /// End enforcement with the agent
    #[arg(long)]
    detach_on_exit: bool,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What to log: a level, or directives such as `enforcer=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "ENFORCER_LOG")]
    log_level: String,
    /// How many addresses of names there can be
    #[arg(long, value_name = "COUNT", default_value_t = 1_048_576,
          value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    max_addresses: u32,
    /// How many seconds to wait for the first answers of all names before attaching
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(0..=600))]
    ready_timeout: u64,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What `--metrics` says.
#[derive(Debug, Clone, Copy)]
struct Metrics(Option<SocketAddr>);

impl FromStr for Metrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_not_an_address: std::net::AddrParseError| {
            "expected ADDRESS:PORT such as 127.0.0.1:9469 or [::1]:9469, or `none`".to_owned()
        });
        address.map(|address| Self(Some(address)))
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    // What leaves by a device is everybody's, so a trial on one cgroup does not begin with it.
    let narrowed = if args.cgroup.is_some() { Choice::None } else { Choice::Auto };
    let policy = match PolicyFile::read(&args.policy) {
        Ok(policy) => policy,
        Err(error) => match held(&args, &error) {
            Some(policy) => policy,
            None => return refuse(error, &args.pins.bpffs),
        },
    };
    for warning in &policy.warnings {
        complain(&format!("{warning}\n"));
    }
    set_up_log(args.log_format, &args.log_level)?;
    let options = Options {
        policy,
        cgroup: args.cgroup,
        tc: args.tc.unwrap_or(narrowed),
        tc_mode: args.tc_mode,
        bpffs: args.pins.bpffs,
        on_start: args.on_start,
        metrics: args.metrics.0,
        detach_on_exit: args.detach_on_exit,
        max_addresses: args.max_addresses,
        ready_timeout: Duration::from_secs(args.ready_timeout),
        without: 0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let on_start = options.on_start;
    let Err(error) = runtime.block_on(agent::run(options.clone())) else { return Ok(Exit::Fine) };
    if on_start == OnStart::Deny
        && !is_in_force(&options.bpffs)
        && let Some(policy) = PolicyFile::deny_all(&options.policy.path)
        && options.policy.policy != policy.policy
    {
        // A valid policy for which there is no room leaves a node no more open than a faulty one.
        tracing::error!(
            error = format!("{error:#}"),
            "the policy cannot be put in force; nothing leaves until it is mended (--on-start deny)"
        );
        if runtime.block_on(agent::run(Options { policy, ..options })).is_ok() {
            return Ok(Exit::Fine);
        }
    }
    Err(error)
}

/// Whether an earlier start's policy is in force; one that cannot be read is taken for one.
fn is_in_force(bpffs: &Path) -> bool {
    !matches!(datapath::read(bpffs), Ok(None))
}

/// With `--on-start deny` a node must not stay open for a faulty file: what is enforced in its place
/// where nothing is in force yet.
fn held(args: &RunArgs, error: &PolicyFileError) -> Option<PolicyFile> {
    if args.on_start != OnStart::Deny || is_in_force(&args.pins.bpffs) {
        return None;
    }
    for rendered in error.rendered() {
        complain(&format!("{rendered}\n"));
    }
    complain(&format!(
        "error: {}; nothing leaves until it is mended (--on-start deny)\n",
        error.summary()
    ));
    PolicyFile::deny_all(&args.policy)
}

/// An invalid policy is shown with every fault at its place.
fn refuse(error: PolicyFileError, bpffs: &Path) -> anyhow::Result<Exit> {
    if error.rendered().is_empty() {
        return Err(error.into());
    }
    for rendered in error.rendered() {
        complain(&format!("{rendered}\n"));
    }
    let rest = if is_in_force(bpffs) {
        "what an earlier start has put in force goes on"
    } else {
        "nothing is attached"
    };
    complain(&format!("error: {error}; {rest}\n"));
    Ok(Exit::Error)
}

fn set_up_log(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("read --log-level {level}: try info, debug or enforcer=trace"))?;
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // A line that cannot be written, on a full disk, must not end the agent.
        .log_internal_errors(false);
    let set = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| anyhow::anyhow!("set up the log: {error}"))
}
