//! The programs that the privileged tests and the demo call.

use std::path::Path;

use anyhow::{Result, bail};

use super::apt;
use crate::toolchain;

/// Each program, and the Debian package that has it.
const TOOLS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("bpftool", "bpftool"),
    ("tcpdump", "tcpdump"),
    ("dig", "dnsutils"),
];

/// Installs the packages of the programs that are missing.
pub(super) fn ensure() -> Result<()> {
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|(program, _)| !is_installed(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::is_usable() {
        bail!(
            "find the tools that the tests call: install {} by hand, or run this as root on Debian",
            missing.join(" ")
        );
    }
    apt::update()?;
    apt::install(&missing)
}

/// The system's folders are not on the `PATH` of an ordinary user.
fn is_installed(program: &str) -> bool {
    toolchain::on_path(program).is_some()
        || ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
}
