//! By what the kernel holds.

use std::{
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use enforcer_common::{address::Address, decide::Decision, verdict::Reason};

use super::{Destination, Explanation, Host, is_denied, judge};
use crate::datapath::{self, BootTime, Reading, preflight, probe};

pub(super) fn explain(
    bpffs: &Path,
    destination: &Destination,
    cgroup: &str,
) -> anyhow::Result<Explanation> {
    let reading = datapath::read(bpffs)?.with_context(|| {
        format!("ask the datapath: nothing is loaded below {}; try --policy FILE", bpffs.display())
    })?;
    let cgroups = ids(cgroup)?;
    let addresses = match &destination.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => learned(&reading, name.as_str()),
    };
    anyhow::ensure!(
        !addresses.is_empty(),
        "no address of {} is known to the kernel: `enforcer names` lists what is, and \
         --policy FILE explains by the file alone",
        destination.host
    );
    // The worst of them is the answer: an application may try any.
    let mut worst: Option<(Decision, IpAddr)> = None;
    for address in &addresses {
        let decision = judge_at(bpffs, *address, destination, &cgroups)?;
        let is_worse =
            worst.as_ref().is_none_or(|(other, _)| is_denied(decision) && !is_denied(*other));
        if is_worse {
            worst = Some((decision, *address));
        }
    }
    let (decision, address) = worst.context("judge an address")?;
    let mut explanation = Explanation::new(destination, decision);
    let rules = &reading.document.rules;
    let by = decision.by.slot();
    if let Some(rule) = by.and_then(|slot| rules.iter().find(|rule| rule.slot == slot)) {
        explanation.rule = Some(rule.name.clone());
        explanation.line = Some(rule.line);
    }
    if super::is_name(&destination.host) {
        explanation.notes.push(format!("by address {address}, one of {}", addresses.len()));
    }
    if let Host::Name(name) = &destination.host
        && decision.reason == Reason::NoRule
    {
        let used = rules.iter().filter_map(|rule| rule.preset.as_deref()).collect();
        explanation.notes.extend(super::suggest(name, &used));
    }
    if reading.is_audit && is_denied(decision) {
        explanation.notes.push("audit mode: it passes and is counted".to_owned());
    }
    Ok(explanation)
}

fn judge_at(
    bpffs: &Path,
    address: IpAddr,
    destination: &Destination,
    cgroups: &[u64],
) -> anyhow::Result<Decision> {
    let key = Address::from(address);
    let protocol = destination.protocol_on(&key);
    let probed = probe(bpffs, key, protocol, destination.port, cgroups)?
        .context("ask the datapath: it was unloaded meanwhile")?;
    Ok(judge(&probed, key, destination, BootTime::now().0))
}

fn learned(reading: &Reading, name: &str) -> Vec<IpAddr> {
    let live = reading.addresses.iter().filter(|entry| entry.expires_ns > reading.now_ns);
    live.filter(|entry| entry.names.iter().any(|known| known == name))
        .map(|entry| entry.address)
        .collect()
}

/// The ids of a cgroup and all around it.
fn ids(cgroup: &str) -> anyhow::Result<Vec<u64>> {
    let root = preflight::cgroup2_root().unwrap_or_else(|| PathBuf::from("/sys/fs/cgroup"));
    let directory = root.join(cgroup.trim_start_matches('/'));
    let around = directory.ancestors().take_while(|path| path.starts_with(&root));
    around
        .map(|path| {
            let metadata = std::fs::metadata(path)
                .with_context(|| format!("look at cgroup {}", path.display()))?;
            Ok(metadata.ino())
        })
        .collect()
}
