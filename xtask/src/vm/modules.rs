//! Which kernel modules a machine gets, and in which order.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::fetch::Kernel;

/// What the tests' worlds are made of: wires, traffic control, address translation, and what a node
/// brings by itself when it is asked (nothing here does: no `modprobe`); then what ways
/// out of a node are made of: protocols, tunnels, devices on a device. One that a kernel has not
/// got as a module is built into it or into another, or too new or too old for it.
const WANTED: [&str; 27] = [
    "veth",
    "dummy",
    "sch_ingress",
    "cls_bpf",
    "nf_tables",
    "nft_chain_nat",
    "nft_counter",
    "nft_ct",
    "nft_masq",
    "nft_nat",
    "nft_redir",
    "nft_reject_inet",
    "tcp_diag",
    "sctp",
    "dccp_ipv4",
    "ipip",
    "sit",
    "ip_gre",
    "ip6_tunnel",
    "vxlan",
    "geneve",
    "fou",
    "wireguard",
    "macvlan",
    "ipvlan",
    "8021q",
    "tun",
];

/// A module as it is inserted.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// The wanted modules of a kernel and those they need, each after the ones it needs.
pub(super) fn of(kernel: &Kernel) -> Result<Vec<Module>> {
    let folder = kernel.modules();
    let index = folder.join("modules.dep");
    let text = fs::read_to_string(&index).with_context(|| format!("read {}", index.display()))?;
    order(&text, &WANTED).into_iter().map(|path| read(&folder.join(path))).collect()
}

fn read(path: &Path) -> Result<Module> {
    let shown = path.display();
    let name = name_of(&path.to_string_lossy()).to_owned();
    let content = match path.extension().and_then(|it| it.to_str()) {
        Some("ko") => fs::read(path).with_context(|| format!("read {shown}"))?,
        Some("xz") => {
            let done = Command::new("xz").args(["--decompress", "--stdout"]).arg(path).output();
            let done = done.with_context(|| format!("run xz on {shown}"))?;
            if !done.status.success() {
                bail!("run xz on {shown}: {}", String::from_utf8_lossy(&done.stderr));
            }
            done.stdout
        }
        _ => bail!("read {shown}: no module that is known how to be unpacked"),
    };
    Ok(Module { name, content })
}

/// The paths of modules from `modules.dep`, whose lines are `PATH: NEEDED NEEDED ...` with the
/// last to be inserted first.
fn order<'a>(index: &'a str, wanted: &[&str]) -> Vec<&'a str> {
    let mut paths: Vec<&str> = Vec::new();
    for name in wanted {
        let Some((path, needed)) = index
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| name_of(path) == *name)
        else {
            continue;
        };
        for path in needed.split_whitespace().rev().chain([path]) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

fn name_of(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() {
        let index = "k/a.ko.xz: k/b.ko.xz k/c.ko.xz\nk/b.ko.xz: k/c.ko.xz\nk/c.ko.xz:\nk/aa.ko:\n";

        assert_eq!(order(index, &["a", "b"]), ["k/c.ko.xz", "k/b.ko.xz", "k/a.ko.xz"]);
    }

    #[test]
    fn a_module_that_is_none_is_left_out() {
        assert_eq!(order("k/aa.ko:\n", &["a", "aa"]), ["k/aa.ko"]);
    }
}
