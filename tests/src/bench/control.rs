//! What it takes to put a policy in force: each step of a load and of a reload, in time and memory.
//!
//! The same set of addresses, or of prefixes of mixed lengths, is read, parsed, compiled and put
//! into the maps of a [`Datapath`] without an agent, and loaded with `nft -f` in a network
//! namespace of the same rig, in turn and round after round. Then the policy changes: a port of
//! another rule, and one entry of the set. At last an agent goes the same way, from the file on.
//!
//! The surprising thing: one replaced entry is by far the dearer change. A rule whose text changes
//! has another slot, so all its entries are written anew, before the flip and behind it.

mod print;
mod set;
mod steps;

use std::{collections::BTreeMap, fs, path::Path, process, process::Command, time::Duration};

use anyhow::Context as _;
use enforcer::{
    datapath::{BootTime, Claim, Datapath},
    policy::{self, Policy, compile, warn},
};
use serde::Serialize;

pub use self::{
    set::Kind,
    steps::{Step, Timed},
};
use self::{
    set::{Change, Set},
    steps::Samples,
};
use crate::{Agent, Rig, held::Held, wait};

/// How long an agent may take for a million entries, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// One kind of set.
#[derive(Debug, Clone, Serialize)]
pub struct Control {
    /// What it is made of.
    pub kind: Kind,
    /// How many of them there are.
    pub entries: u32,
    /// Whether debug assertions are compiled in, so that no figure is one of a release.
    pub is_debug: bool,
    /// Bytes of the policy file.
    pub file_bytes: usize,
    /// Bytes of the kernel's memory that the maps take on with each entry (`memlock`).
    pub kernel_bytes_an_entry: u64,
    /// The agent's memory (`VmRSS`) when the policy is in force, and the most it had, both in bytes.
    pub agent_bytes: (u64, u64),
    /// Why there is no figure of `nft`, where there is none.
    pub missing: Option<String>,
    /// How many times as long as `nft -f` takes the way from a parsed policy into force.
    pub ratio: Option<f64>,
    /// Each step, in milliseconds.
    pub steps: Vec<Timed>,
}

/// Measures sets of both kinds.
///
/// # Errors
///
/// That the worlds could not be made, or that a policy is refused. That `nft` is missing is told in
/// the figures.
pub(super) fn measure(entries: u32, rounds: u32) -> anyhow::Result<Vec<Control>> {
    let kinds = [Kind::Addresses, Kind::Prefixes];
    kinds.into_iter().map(|kind| measure_one(Set { kind, entries }, rounds)).collect()
}

fn measure_one(set: Set, rounds: u32) -> anyhow::Result<Control> {
    let mut samples = Samples::default();
    let (mut taken, mut agent_bytes) = (0, (0, 0));
    let mut missing = None;
    for _ in 0..rounds {
        let rig = Rig::make()?;
        taken = load(set, &rig, &mut samples)?;
        let rules = rig.scratch().write("rules.nft", &set.nft())?;
        let said = samples.time(Step::Nft, || nft(&rig, &rules));
        if said.is_some() {
            samples.forget(Step::Nft);
            missing = said;
        }
        drop(rig);
        agent_bytes = follow(set, &mut samples)?;
    }
    let own = samples.median(Step::Compile).zip(samples.median(Step::Apply));
    let ratio = own.zip(samples.median(Step::Nft)).map(|((one, other), nft)| (one + other) / nft);
    Ok(Control {
        kind: set.kind,
        entries: set.entries,
        is_debug: cfg!(debug_assertions),
        file_bytes: set.policy(Change::None).len(),
        kernel_bytes_an_entry: taken / u64::from(set.entries),
        agent_bytes,
        missing,
        ratio,
        steps: samples.into_steps(),
    })
}

/// Loads the set, then its changes; gives the memory that the maps have taken on for it.
fn load(set: Set, rig: &Rig, samples: &mut Samples) -> anyhow::Result<u64> {
    let file = rig.scratch().write("policy.yaml", &set.policy(Change::None))?;
    let source = samples.time(Step::Read, || fs::read_to_string(&file)).context("read a policy")?;
    let policy = samples.time(Step::Parse, || parse(&source))?;
    drop(samples.time(Step::Doubts, || warn::warnings(&policy)));
    let mut slots = compile::Slots::default();
    let tables = samples.time(Step::Compile, || compile::compile(&policy, &[], &mut slots))?;
    let mut options = rig.load_options();
    options.hosts = tables.prefixes.hosts.len();
    let claim = Claim::take(&options.bpffs)?;
    let mut datapath = Datapath::load(&options, claim, BootTime::now())?;
    let none = BTreeMap::new();
    let before = held(rig)?;
    samples.time(Step::Apply, || datapath.apply(&tables, &none))?;
    let taken = held(rig)?.saturating_sub(before);
    for (change, compiled, applied) in [
        (Change::Port, Step::CompilePortChanged, Step::ApplyPortChanged),
        (Change::Entry, Step::CompileEntryChanged, Step::ApplyEntryChanged),
    ] {
        let policy = parse(&set.policy(change))?;
        let tables = samples.time(compiled, || compile::compile(&policy, &[], &mut slots))?;
        samples.time(applied, || datapath.apply(&tables, &none))?;
    }
    Ok(taken)
}

fn parse(source: &str) -> anyhow::Result<Policy> {
    let parsed = policy::parse(source);
    parsed.policy.with_context(|| format!("{:?}", parsed.diagnostics.first()))
}

/// Bytes of the maps that this process holds.
fn held(rig: &Rig) -> anyhow::Result<u64> {
    Ok(Held::by(process::id(), &rig.pins())?.bytes())
}

/// Loads rules in the client's namespace, or says why not.
fn nft(rig: &Rig, rules: &Path) -> Option<String> {
    match rig.client.output(Command::new("nft").arg("-f").arg(rules)) {
        Ok(done) if done.status.success() => None,
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Some(said.lines().next().unwrap_or("nft failed").to_owned())
        }
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Has an agent enforce the set and follow its changes; gives its memory, and the most it had.
fn follow(set: Set, samples: &mut Samples) -> anyhow::Result<(u64, u64)> {
    let rig = Rig::make()?;
    let policy = set.policy(Change::None);
    let agent = samples.time(Step::AgentStart, || {
        let agent = rig.launch(&policy, &[])?;
        agent.wait_until_ready_within(PATIENCE)?;
        anyhow::Ok(agent)
    })?;
    let resident = agent.memory().context("the agent is gone")?;
    for (change, step) in
        [(Change::Port, Step::AgentPortChanged), (Change::Entry, Step::AgentEntryChanged)]
    {
        let next = rig.scratch().write("next.yaml", &set.policy(change))?;
        samples.time(step, || replace(&agent, &next))?;
    }
    Ok((resident, agent.most_memory().context("the agent is gone")?))
}

/// Puts a file in the place of the agent's and waits until it is in force.
fn replace(agent: &Agent<'_>, next: &Path) -> anyhow::Result<()> {
    let logged = agent.log_length();
    fs::rename(next, agent.policy_path()).context("replace the policy file")?;
    wait::until_true("the policy to be in force", PATIENCE, || {
        agent.log_after(logged).iter().any(|line| line.contains("the policy is in force"))
    })
}
