//! What the machine must have before anything is loaded; each lack has a sentence that helps.

use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
};

use nix::{getsockopt_impl, libc, sockopt_impl, sys::socket::getsockopt};
use rustix::{
    fs::{StatFs, statfs},
    time::{ClockId, clock_gettime},
};

/// Magic numbers of file systems (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// The oldest kernel that the programs are written for.
const OLDEST_KERNEL: (u32, u32) = (5, 10);

/// Capabilities by bit (include/uapi/linux/capability.h).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Something that the machine lacks.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No cgroup v2 hierarchy.
    #[error(
        "no cgroup v2 hierarchy is mounted: boot with systemd.unified_cgroup_hierarchy=1, or \
         `mount -t cgroup2 none DIR` and pass --cgroup DIR"
    )]
    NoCgroup2,
    /// The cgroup given is none.
    #[error("{} is not a cgroup v2 directory: pass a directory below the cgroup v2 mount", path.display())]
    NotACgroup {
        /// What was given.
        path: PathBuf,
    },
    /// No bpffs at the folder of pins.
    #[error("{} is not on a bpffs: `mount -t bpf bpf {}` first", path.display(), mount.display())]
    NoBpffs {
        /// The folder of pins.
        path: PathBuf,
        /// Where the mount is missing.
        mount: PathBuf,
    },
    /// A missing capability.
    #[error(
        "this process lacks {}: run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
        missing.join(" and ")
    )]
    NoCapability {
        /// Which ones.
        missing: Vec<&'static str>,
    },
    /// A kernel older than the programs.
    #[error(
        "kernel {release} is too old: {}.{} or newer is needed",
        OLDEST_KERNEL.0,
        OLDEST_KERNEL.1
    )]
    OldKernel {
        /// Its release.
        release: String,
    },
}

/// Nanoseconds since boot, time in suspend included (`CLOCK_BOOTTIME`): the kernel programs'
/// clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Reads the clock.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self(seconds * 1_000_000_000 + nanoseconds)
    }
}

/// Checks kernel, capabilities, cgroup and bpffs; gives the cgroup to attach to.
///
/// # Errors
///
/// The first thing that is missing.
pub fn check(cgroup: Option<&Path>, bpffs: &Path) -> Result<PathBuf, PreflightError> {
    check_kernel()?;
    check_capabilities()?;
    let cgroup = match cgroup {
        Some(path) => path.to_owned(),
        None => cgroup2_root().ok_or(PreflightError::NoCgroup2)?,
    };
    if !is_on(&cgroup, CGROUP2_SUPER_MAGIC) {
        return Err(PreflightError::NotACgroup { path: cgroup });
    }
    let mount = bpffs.ancestors().find(|path| path.is_dir()).unwrap_or(bpffs);
    if !is_on(mount, BPF_FS_MAGIC) {
        let wanted = bpffs.parent().unwrap_or(bpffs).to_owned();
        return Err(PreflightError::NoBpffs { path: bpffs.to_owned(), mount: wanted });
    }
    Ok(cgroup)
}

/// Where the cgroup v2 hierarchy is mounted: `/sys/fs/cgroup`, or elsewhere on a hybrid host.
pub fn cgroup2_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(target.replace("\\040", " ")))
    })
}

sockopt_impl!(
    /// The cookie of a socket's network namespace.
    NetnsCookie,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64
);

/// The cookie of this process's network namespace; `None` before 5.14, which does not tell.
pub(super) fn namespace_cookie() -> Option<u64> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    getsockopt(&socket, NetnsCookie).ok()
}

/// The running kernel's release, as `uname -r` says it.
pub fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned())
}

/// The first two numbers of a release; `None` where it has none.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// Whether the running kernel is this version or a later one; a release that cannot be read is no
/// proof of an old kernel.
pub(super) fn has_kernel(version: (u32, u32)) -> bool {
    version_of(&kernel_release()).is_none_or(|running| running >= version)
}

fn check_kernel() -> Result<(), PreflightError> {
    if has_kernel(OLDEST_KERNEL) {
        return Ok(());
    }
    Err(PreflightError::OldKernel { release: kernel_release() })
}

fn check_capabilities() -> Result<(), PreflightError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    let has = |capability: u32| effective >> capability & 1 == 1;
    if has(CAP_SYS_ADMIN) {
        return Ok(());
    }
    // Without the last the verifier takes no program that reckons with pointers as these do.
    let wanted =
        [(CAP_BPF, "CAP_BPF"), (CAP_NET_ADMIN, "CAP_NET_ADMIN"), (CAP_PERFMON, "CAP_PERFMON")];
    let missing: Vec<_> =
        wanted.into_iter().filter(|(bit, _)| !has(*bit)).map(|(_, name)| name).collect();
    if missing.is_empty() { Ok(()) } else { Err(PreflightError::NoCapability { missing }) }
}

fn is_on(path: &Path, magic: u64) -> bool {
    statfs(path).is_ok_and(|StatFs { f_type, .. }| u64::try_from(f_type).is_ok_and(|f| f == magic))
}
