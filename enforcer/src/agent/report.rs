//! What the agent writes into the kernel for readers: the document behind `status`.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::enforcement::Enforcement;
use crate::{
    datapath::{
        document::{
            AgentInfo, Document, PolicyInfo, Reloads, ResolutionInfo, RuleInfo, Unresolved,
            UplinkInfo,
        },
        layout,
    },
    policy::{PortSpec, Rule},
    resolver::Progress,
};

/// What does not come from the policy in force.
#[derive(Debug, Clone)]
pub(super) struct Circumstances {
    pub(super) agent: AgentInfo,
    /// The cgroup that hooks are attached to, below the cgroup v2 root.
    pub(super) cgroup: String,
    /// The devices that hooks are attached to, or should be.
    pub(super) uplinks: Vec<UplinkInfo>,
    /// Devices that packets leave by unjudged, each with why.
    pub(super) unjudged: Vec<String>,
    /// How often something had to be put back.
    pub(super) restored: u64,
    /// What came of policies that were to replace the one in force.
    pub(super) reloads: Reloads,
    /// What could not be put back, each with why.
    pub(super) not_restored: Vec<String>,
    /// Somebody has unloaded everything.
    pub(super) is_unloaded: bool,
    pub(super) resolvers: Vec<SocketAddr>,
    pub(super) loaded_at: Timestamp,
    /// Why the newest attempt to load a policy failed.
    pub(super) reload_error: Option<String>,
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// Puts together what readers are told.
pub(super) fn document(
    enforcement: &Enforcement,
    circumstances: &Circumstances,
    progress: &Progress,
) -> Document {
    let file = &enforcement.file;
    let tables = &enforcement.tables;
    let rules = file.policy.rules.iter().zip(&tables.slots).zip(&tables.digests);
    let mut problems = Vec::new();
    if enforcement.learning.is_full {
        problems.push(
            "the map of addresses is full: some allowed names have addresses that are refused; \
             raise --max-addresses"
                .to_owned(),
        );
    }
    problems.extend(short_rules(enforcement));
    if circumstances.resolvers.is_empty() {
        problems.push(
            "there is no trusted resolver: no name is resolved; name one under dns.resolvers or \
             in /etc/resolv.conf"
                .to_owned(),
        );
    }
    problems.extend(circumstances.unjudged.iter().cloned());
    problems.extend(circumstances.not_restored.iter().cloned());
    Document {
        agent: circumstances.agent.clone(),
        cgroup: circumstances.cgroup.clone(),
        uplinks: circumstances.uplinks.clone(),
        policy: PolicyInfo {
            name: file.policy.name.clone(),
            path: file.path.display().to_string(),
            sha256: file.sha256.clone(),
            generation: enforcement.datapath.generation(),
            loaded_at: circumstances.loaded_at,
            mode: file.policy.mode.to_string(),
            resolvers: circumstances.resolvers.iter().map(ToString::to_string).collect(),
            reload_error: circumstances.reload_error.clone(),
        },
        rules: rules.map(|((rule, slot), digest)| rule_info(rule, *slot, digest)).collect(),
        layouts: layout::own(),
        highest_resolver_number: enforcement.datapath.highest_resolver_number(),
        restored: circumstances.restored,
        reloads: circumstances.reloads,
        is_filling: enforcement.room.is_filling,
        resolution: resolution(enforcement, progress),
        problems,
    }
}

/// The rules that are refused addresses.
fn short_rules(enforcement: &Enforcement) -> Option<String> {
    let rules = enforcement.file.policy.rules.iter().zip(&enforcement.tables.slots);
    let short = rules.filter(|(_, slot)| enforcement.room.is_short(**slot));
    let mut names: Vec<_> = short.map(|(rule, _)| rule.name.as_str()).collect();
    let more = names.len().saturating_sub(RuleInfo::SHOWN);
    names.truncate(RuleInfo::SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!names.is_empty()).then(|| {
        format!(
            "rules with as many addresses as they may have beside the others: {}{more}; further \
             ones are refused: raise --max-addresses or narrow their names",
            names.join(", ")
        )
    })
}

/// What is told of a policy whose rules do not fit: their names and counts, not where to.
pub(super) fn without_details(mut document: Document) -> Document {
    for rule in &mut document.rules {
        (rule.to, rule.from, rule.ports) = Default::default();
    }
    document
}

fn rule_info(rule: &Rule, slot: u16, digest: &str) -> RuleInfo {
    let shown = |texts: &mut dyn Iterator<Item = String>| texts.take(RuleInfo::SHOWN).collect();
    RuleInfo {
        slot,
        digest: digest.to_owned(),
        name: rule.name.clone(),
        action: rule.action.to_string(),
        from: rule.from.iter().map(ToString::to_string).collect(),
        to: shown(&mut rule.to.iter().map(ToString::to_string)),
        to_count: rule.to.len(),
        ports: shown(&mut rule.ports.iter().map(PortSpec::to_string)),
        line: rule.origin.line,
        preset: rule.origin.preset.clone(),
    }
}

fn resolution(enforcement: &Enforcement, progress: &Progress) -> ResolutionInfo {
    let mut ignored = progress.ignored.clone();
    for (reason, count) in &enforcement.learning.ignored {
        *ignored.entry((*reason).to_owned()).or_default() += count;
    }
    let unresolved = progress.unresolved.iter().take(ResolutionInfo::SHOWN);
    ResolutionInfo {
        names: progress.names,
        resolved: progress.resolved,
        stale: progress.stale,
        unresolved: unresolved
            .map(|(name, reason)| Unresolved { name: name.to_string(), reason: reason.clone() })
            .collect(),
        unresolved_count: progress.unresolved_count,
        answers: progress.answers,
        learned: enforcement.learning.learned,
        ignored,
    }
}
