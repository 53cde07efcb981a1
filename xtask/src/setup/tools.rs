//! The programs that are called, other than compilers.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::apt;
use crate::toolchain;

/// A program, and the Debian package that has it.
pub(crate) type Tool = (&'static str, &'static str);

/// What the privileged tests and the demo call.
pub(crate) const TESTS: [Tool; 9] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("bpftool", "bpftool"),
    ("tcpdump", "tcpdump"),
    ("dig", "dnsutils"),
    ("dnsmasq", "dnsmasq-base"),
    ("unbound", "unbound"),
    ("named", "bind9"),
];

/// What the bench compares with, beside `nft`.
pub(crate) const BENCH: [Tool; 2] = [("ipset", "ipset"), ("iptables", "iptables")];

/// What the tests of what is shipped call.
pub(crate) const DEPLOY: [Tool; 4] =
    [("prometheus", "prometheus"), ("npm", "npm"), ("skopeo", "skopeo"), ("crun", "crun")];

/// What makes what is shipped.
pub(crate) const DIST: [Tool; 1] = [("buildah", "buildah")];

/// What runs the tests on other kernels: an emulator, and what kernel packages are unpacked with.
pub(crate) const MACHINES: [Tool; 4] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
];

/// Installs the packages of the programs that are missing. `whose` completes the sentence "find
/// the tools that ...".
pub(super) fn ensure(tools: &[Tool], whose: &str) -> Result<()> {
    let missing: Vec<&str> =
        tools.iter().filter(|(program, _)| find(program).is_none()).map(|it| it.1).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::is_usable() {
        bail!(
            "find the tools that {whose}: install {} by hand, or run this as root on Debian",
            missing.join(" ")
        );
    }
    apt::update()?;
    apt::install(&missing)
}

/// Where a program is. The system's folders are not on the `PATH` of an ordinary user.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let system = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    toolchain::on_path(program).or_else(|| system.into_iter().find(|path| path.exists()))
}
