//! What a privileged test needs, and what happens where it is missing.

use std::{env, fs, io::Write as _, process::Command, sync::OnceLock};

use nix::unistd::geteuid;

use crate::{cgroup, netns::Netns};

/// Set to `1`, a missing privilege fails the test: a skip would hide that nothing was tested.
pub const REQUIRE: &str = "ENFORCER_REQUIRE_PRIVILEGE";

/// Ends a test that cannot run here, after it was counted.
#[macro_export]
macro_rules! require_privilege {
    () => {
        if !$crate::privilege::is_given() {
            return;
        }
    };
}

/// Whether a privileged test can run. If not, prints `skipped: REASON`, past the capture of the
/// test harness, for the runner to count.
///
/// # Panics
///
/// If it cannot run where it must ([`REQUIRE`]).
pub fn is_given() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let Some(reason) = MISSING.get_or_init(missing) else { return true };
    let is_required = env::var_os(REQUIRE).is_some_and(|value| value == "1");
    assert!(!is_required, "{reason}");
    // A closed standard error leaves nobody to tell.
    drop(writeln!(std::io::stderr(), "skipped: {reason}"));
    false
}

/// What is missing, in words that say how to get it.
pub fn missing() -> Option<String> {
    if !geteuid().is_root() {
        return Some("this needs root: run it with sudo".to_owned());
    }
    if cgroup::root().is_none() {
        return Some("no cgroup v2 is mounted: mount -t cgroup2 none DIR".to_owned());
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return Some("there is no `ip`: install iproute2".to_owned());
    }
    if let Err(error) = Netns::make() {
        return Some(format!("network namespaces cannot be made: {error:#}"));
    }
    let kinds = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !kinds.split_whitespace().any(|kind| kind == "bpf") {
        return Some("this kernel has no bpffs: CONFIG_BPF_SYSCALL is off".to_owned());
    }
    None
}
