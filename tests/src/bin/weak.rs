//! The agent without some of its measures against poisoning: what an attack has to succeed against,
//! so that the test that refuses it shows something.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use enforcer::{
    agent::{self, Options, PolicyFile},
    uplink::Choice,
};

/// As `enforcer run`, as far as the rig calls it.
#[derive(Debug, Parser)]
#[command(name = "enforcer-weak")]
enum Verb {
    /// Runs the agent
    Run {
        #[arg(long)]
        policy: PathBuf,
        #[arg(long)]
        cgroup: PathBuf,
        #[arg(long)]
        bpffs: PathBuf,
        #[arg(long)]
        metrics: SocketAddr,
        #[arg(long)]
        log_format: String,
        /// Bits of the measures that are left out
        #[arg(long)]
        without: u32,
    },
}

fn main() -> ExitCode {
    match run(Verb::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let Verb::Run { policy, cgroup, bpffs, metrics, without, .. } = verb;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("set up the log: {error}"))?;
    let options = Options {
        policy: PolicyFile::read(&policy).context("read the policy")?,
        cgroup: Some(cgroup),
        tc: Choice::None,
        tc_mode: None,
        bpffs,
        on_start: agent::OnStart::Previous,
        metrics: Some(metrics),
        detach_on_exit: false,
        max_addresses: 65_536,
        ready_timeout: Duration::from_secs(10),
        without,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(agent::run(options))
}
