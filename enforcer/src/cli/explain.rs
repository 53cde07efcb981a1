//! `enforcer explain`: what would happen to a destination, and which line says so.
//!
//! The same `decide` as in the kernel, on the tables of a policy file or on what the running
//! datapath holds.

mod destination;
mod offline;
mod running;

use std::{collections::BTreeSet, path::PathBuf};

use enforcer_common::{
    address::Address,
    decide::{Decision, Tables, decide},
    packet::{Packet, Piece},
    verdict::{Implicit, Reason, Verdict},
};
use serde::Serialize;

use self::destination::{Destination, Host};
use super::{
    Exit, Pins,
    output::{self, OutputFormat},
};
use crate::{
    fqdn::DomainName,
    policy::preset::{self, Offer},
    status::API_VERSION,
};

/// Explain what would happen to a destination, and which rule says so
///
/// With --policy: by the file alone, where a name stands for an address that no other rule names.
/// Without: by what the kernel holds, learned addresses included.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A name or an address, with port and protocol: `mcr.microsoft.com:443`, `192.0.2.1:53/udp`,
    /// `[2001:db8::1]:443`, `192.0.2.1/icmp`
    #[arg(value_name = "DEST[:PORT[/PROTO]]")]
    destination: Destination,
    /// Judge by this policy file instead of the running datapath
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The cgroup that sends, as in a policy: /system.slice/ci.service
    #[arg(long, value_name = "PATH", default_value = "/")]
    cgroup: String,
    #[command(flatten)]
    pins: Pins,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// `explain -o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    api_version: &'static str,
    kind: &'static str,
    destination: String,
    port: u16,
    protocol: String,
    verdict: &'static str,
    reason: &'static str,
    /// The rule, or the implicit rule.
    rule: Option<String>,
    endpoint: Option<String>,
    line: Option<u32>,
    /// What the answer does not tell by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Explains.
///
/// # Errors
///
/// There is no such policy, nothing is loaded, or the name stands for nothing.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let explanation = match &args.policy {
        Some(path) => match offline::explain(path, &args.destination, &args.cgroup)? {
            Some(explanation) => explanation,
            None => return Ok(Exit::Error),
        },
        None => running::explain(&args.pins.bpffs, &args.destination, &args.cgroup)?,
    };
    output::print(&match args.output {
        OutputFormat::Json => output::json(&explanation)?,
        OutputFormat::Yaml => output::yaml(&explanation)?,
        OutputFormat::Table | OutputFormat::Wide => explanation.text(),
    })?;
    Ok(Exit::Fine)
}

impl Explanation {
    fn new(destination: &Destination, decision: Decision) -> Self {
        let implicit = decision.by.implicit_number().and_then(Implicit::from_number);
        Self {
            api_version: API_VERSION,
            kind: "Explanation",
            destination: destination.host.to_string(),
            port: destination.port,
            protocol: destination.protocol_name(),
            verdict: match decision.verdict {
                Verdict::Allow => "allow",
                Verdict::Deny => "deny",
            },
            reason: decision.reason.as_str(),
            rule: implicit.map(|implicit| implicit.as_str().to_owned()),
            endpoint: None,
            line: None,
            notes: Vec::new(),
        }
    }

    fn text(&self) -> String {
        let Self { verdict, destination, port, protocol, .. } = self;
        let port = if *port == 0 { String::new() } else { format!(" port {port}") };
        let why = match (self.reason, &self.rule) {
            ("rule", Some(rule)) => format!("rule {rule}"),
            ("implicit", Some(rule)) => format!("implicit rule {rule}"),
            (reason, _) => reason.to_owned(),
        };
        let endpoint =
            self.endpoint.as_ref().map_or_else(String::new, |text| format!(", destination {text}"));
        let line = self.line.map_or_else(String::new, |line| format!(", line {line}"));
        let mut text = format!("{verdict} {destination}{port} {protocol}: {why}{endpoint}{line}\n");
        for note in &self.notes {
            text.push_str("note: ");
            text.push_str(note);
            text.push('\n');
        }
        text
    }
}

/// What the first packet to an address and port would get.
fn judge(tables: &impl Tables, address: Address, destination: &Destination, now: u64) -> Decision {
    let packet = Packet {
        transport: 0,
        source: if address.is_v4() { Address::from_v4([0; 4]) } else { Address::from_v6([0; 16]) },
        destination: address,
        id: 0,
        length: 60,
        source_port: 0,
        destination_port: destination.port,
        protocol: destination.protocol_on(&address),
        hop_limit: 64,
        is_v6: !address.is_v4(),
        piece: Piece::WHOLE,
    };
    if address.is_this_host() {
        return decide(tables, &packet, true, now);
    }
    decide(tables, &packet, false, now)
}

/// What presets say of a name that no rule allows. `used` are the presets of the policy, dated.
fn suggest(name: &DomainName, used: &BTreeSet<&str>) -> Vec<String> {
    let base = |dated: &str| dated.split('@').next().unwrap_or_default().to_owned();
    let offers = preset::offers(name).into_iter().map(|offer| {
        let Offer { preset, destination, condition } = offer;
        let before = used.iter().find(|used| base(used) == base(&preset));
        let condition =
            condition.map_or_else(String::new, |word| format!(", under the condition `{word}`"));
        match before {
            Some(before) if **before == preset => {
                format!(
                    "the preset `{preset}` has `{destination}`{condition}: it is not switched on"
                )
            }
            Some(before) => format!(
                "the preset `{preset}` has `{destination}`{condition}; the policy has `{before}`: \
                 see `enforcer presets diff {before} {preset}`"
            ),
            None => format!("the preset `{preset}` has `{destination}`{condition}"),
        }
    });
    offers.collect()
}

/// Whether a packet by these rules is an allow whatever reads it.
fn is_denied(decision: Decision) -> bool {
    decision.verdict == Verdict::Deny || decision.reason == Reason::NoRule
}

/// The rules for a name: those of the addresses, or of the name itself.
fn is_name(host: &Host) -> bool {
    matches!(host, Host::Name(_))
}

#[cfg(test)]
mod tests;
