//! By a policy file alone.

use std::path::Path;

use enforcer_common::{address::Address, decide::Decision, verdict::Reason};

use super::{Destination, Explanation, Host, is_denied, judge};
use crate::{
    agent::PolicyFile,
    cli::output::complain,
    policy::{
        Endpoint, Rule,
        compile::{self, Offline, Slots, Tables},
    },
    resolver,
};

/// An address that stands for a name: inside no range that a policy would name.
const STAND_IN: [u8; 16] = [0x01, 0, 0, 0, 0, 0, 0, 0x0d, 0, 0, 0, 0, 0, 0, 0, 1];

/// `None` where the policy is not valid, which has been said.
pub(super) fn explain(
    path: &Path,
    destination: &Destination,
    cgroup: &str,
) -> anyhow::Result<Option<Explanation>> {
    let file = match PolicyFile::read(path) {
        Ok(file) => file,
        Err(error) if error.rendered().is_empty() => return Err(error.into()),
        Err(error) => {
            for rendered in error.rendered() {
                complain(&format!("{rendered}\n"));
            }
            complain(&format!("error: {error}\n"));
            return Ok(None);
        }
    };
    // Off the machine that will run it, `system` may tell no server: then DNS is not explained.
    let servers = resolver::servers(&file.policy.dns.resolvers).ok();
    let trusted = servers.map(|servers| servers.trusted).unwrap_or_default();
    let tables = compile::compile(&file.policy, &trusted, &mut Slots::default())?;
    let mut offline = Offline::new(&tables);
    offline.send_from(cgroup);
    let address = match &destination.host {
        Host::Address(address) => Address::from(*address),
        Host::Name(name) => {
            let address = Address::from_v6(STAND_IN);
            offline.learn(address, tables.names.rules(name));
            address
        }
    };
    let decision = judge(&offline, address, destination, 1);
    let mut explanation = Explanation::new(destination, decision);
    if let Some(rule) = rule_of(&tables, &file.policy.rules, decision) {
        explanation.rule = Some(rule.name.clone());
        let endpoint = rule.to.iter().find(|endpoint| accepts(endpoint, &destination.host));
        explanation.endpoint = endpoint.map(ToString::to_string);
        explanation.line = Some(endpoint.map_or(rule.origin.line, line));
    }
    if super::is_name(&destination.host) {
        explanation.notes.push(if is_denied(decision) {
            "a rule may still accept the addresses that the name stands for".to_owned()
        } else {
            "for addresses that a trusted resolver gives for the name".to_owned()
        });
    }
    if let Host::Name(name) = &destination.host
        && decision.reason == Reason::NoRule
    {
        let rules = file.policy.rules.iter();
        let used = rules.filter_map(|rule| rule.origin.preset.as_deref()).collect();
        explanation.notes.extend(super::suggest(name, &used));
    }
    Ok(Some(explanation))
}

fn rule_of<'a>(tables: &Tables, rules: &'a [Rule], decision: Decision) -> Option<&'a Rule> {
    let slot = decision.by.slot()?;
    let index = tables.slots.iter().position(|one| *one == slot)?;
    rules.get(index)
}

fn accepts(endpoint: &Endpoint, host: &Host) -> bool {
    match (endpoint, host) {
        (Endpoint::Fqdn { pattern, .. }, Host::Name(name)) => pattern.matches(name),
        (Endpoint::Cidr { prefix, except, .. }, Host::Address(address)) => {
            prefix.contains(address) && !except.iter().any(|hole| hole.contains(address))
        }
        _ => matches!(endpoint, Endpoint::Cidr { prefix, .. } if prefix.prefix_len() == 0),
    }
}

fn line(endpoint: &Endpoint) -> u32 {
    match endpoint {
        Endpoint::Fqdn { line, .. } | Endpoint::Cidr { line, .. } => *line,
    }
}
