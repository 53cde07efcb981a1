//! Debian's package manager, where there is one and we may use it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{privilege, step, toolchain};

/// What Debian asks whether the service of a new package may start (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Its answer: it is forbidden.
const NEVER: &str = "#!/bin/sh\nexit 101\n";
/// Packages that would start a server with the machine; only their programs are wanted.
const SERVICES: [(&str, &str); 3] = [
    ("bind9", "named.service"),
    ("unbound", "unbound.service"),
    ("prometheus", "prometheus.service"),
];

/// Whether packages can be installed: apt is there, and we are root.
pub(super) fn is_usable() -> bool {
    privilege::is_root() && toolchain::on_path("apt-get").is_some()
}

/// Fetches the package lists; a fresh machine has none.
pub(super) fn update() -> Result<()> {
    step::say("apt-get update");
    step::run_quietly(apt_get().arg("update"))
}

/// Whether the lists hold every one of these packages.
pub(super) fn offers(packages: &[&str]) -> bool {
    // A package without a candidate makes the simulation fail.
    step::succeeds(apt_get().args(["install", "--simulate"]).args(packages))
}

/// Installs packages, without those that are merely recommended and without starting anything.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    step::say(&format!("apt-get install {}", packages.join(" ")));
    let _idle = Idle::begin()?;
    step::run_quietly(
        apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages),
    )?;
    for (package, service) in SERVICES {
        if packages.contains(&package) && toolchain::on_path("systemctl").is_some() {
            step::run_quietly(Command::new("systemctl").args(["--quiet", "disable", service]))?;
        }
    }
    Ok(())
}

/// While it lives, no service of a package starts. A machine that has a policy of its own keeps it.
struct Idle {
    is_ours: bool,
}

impl Idle {
    fn begin() -> Result<Self> {
        let idle = Self { is_ours: !Path::new(POLICY).exists() };
        if idle.is_ours {
            fs::write(POLICY, NEVER).with_context(|| format!("write {POLICY}"))?;
            fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("make {POLICY} a program"))?;
        }
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if self.is_ours {
            // Who finds it left behind reads in it what it does.
            drop(fs::remove_file(POLICY));
        }
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
