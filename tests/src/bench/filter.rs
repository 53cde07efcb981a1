//! nftables and ipset, in the client's namespace and nowhere else.

use std::process::Command;

use anyhow::Context as _;

use super::{allowlist::Allowlist, contender::Contender};
use crate::{Rig, probe::Family};

/// Puts the list in force as a contender does; one that is no packet filter has nothing to do.
///
/// # Errors
///
/// That a tool or a part of the kernel is missing: what it said.
pub(super) fn install(contender: Contender, rig: &Rig, list: &Allowlist) -> anyhow::Result<()> {
    match contender {
        Contender::NftSet => nft(rig, &list.nft(false)),
        Contender::NftSetConntrack => nft(rig, &list.nft(true)),
        Contender::IpsetConntrack => ipset(rig, list),
        Contender::None
        | Contender::Empty
        | Contender::Enforcer
        | Contender::EnforcerUplinks
        | Contender::NoneAgain => Ok(()),
    }
}

fn nft(rig: &Rig, rules: &str) -> anyhow::Result<()> {
    let file = rig.scratch().write("rules.nft", rules)?;
    run(rig, "nft", &["-f", &file.to_string_lossy()])
}

fn ipset(rig: &Rig, list: &Allowlist) -> anyhow::Result<()> {
    let file = rig.scratch().write("list.ipset", &list.ipset())?;
    run(rig, "ipset", &["restore", "-file", &file.to_string_lossy()])?;
    let iptables = match list.family() {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    for rule in [
        "-P OUTPUT DROP",
        "-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-A OUTPUT -m set --match-set list dst -j ACCEPT",
    ] {
        run(rig, iptables, &rule.split(' ').collect::<Vec<_>>())?;
    }
    Ok(())
}

fn run(rig: &Rig, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let done = rig.client.output(Command::new(program).args(arguments))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let first = said.trim().lines().next().unwrap_or_default();
    if !done.status.success() {
        return Err(anyhow::anyhow!("{first}"))
            .with_context(|| format!("{program} {}", arguments.join(" ")));
    }
    Ok(())
}
