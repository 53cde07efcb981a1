//! Links as far as the library does not go: one of a kind that it makes and does not hand out, so
//! that it could not be pinned; and what a pinned one ties together.
#![expect(unsafe_code, reason = "three calls of bpf(2) that the library has no function for")]

use std::{
    ffi::{CString, c_long},
    fs, io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use nix::libc;

/// Commands of `bpf(2)` and the attach type (include/uapi/linux/bpf.h, 6.18).
const BPF_OBJ_PIN: c_long = 6;
const BPF_OBJ_GET: c_long = 7;
const BPF_LINK_CREATE: c_long = 28;
const BPF_CGROUP_SETSOCKOPT: u32 = 22;

/// `link_create` of `union bpf_attr`.
#[repr(C)]
struct LinkCreate {
    program: RawFd,
    target: RawFd,
    attach_type: u32,
    flags: u32,
}

/// What a pinned link ties together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie {
    /// The program's id; 0: the pin is no link.
    pub(super) program: u32,
    /// Whether there is a cgroup or a device at the other end.
    pub(super) is_attached: bool,
}

/// What pins an object, or opens a pin, in `union bpf_attr`.
#[repr(C)]
struct ObjectPin {
    path: u64,
    object: RawFd,
    flags: u32,
}

/// Attaches a program for `setsockopt` to a cgroup by a link, and pins the link.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn attach_setsockopt(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    pin: &Path,
) -> io::Result<()> {
    let create = LinkCreate {
        program: program.as_raw_fd(),
        target: cgroup.as_raw_fd(),
        attach_type: BPF_CGROUP_SETSOCKOPT,
        flags: 0,
    };
    let link = owned(bpf(BPF_LINK_CREATE, &create)?)?;
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let pin = ObjectPin { path: path.as_ptr() as u64, object: link.as_raw_fd(), flags: 0 };
    bpf(BPF_OBJ_PIN, &pin).map(drop)
}

/// Looks at a pinned link.
///
/// # Errors
///
/// What the kernel said; [`io::ErrorKind::NotFound`] where there is no pin.
pub(super) fn tie(pin: &Path) -> io::Result<Tie> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let get = ObjectPin { path: path.as_ptr() as u64, object: 0, flags: 0 };
    let link = owned(bpf(BPF_OBJ_GET, &get)?)?;
    fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd())).map(|it| read(&it))
}

/// Whether a pinned link has a program at work.
pub(super) fn is_attached(pin: &Path) -> bool {
    tie(pin).is_ok_and(|tie| tie.is_attached)
}

/// Reads what the kernel tells of a link's descriptor (`bpf_link_show_fdinfo`,
/// kernel/bpf/syscall.c, and `..._show_fdinfo` of cgroup.c and tcx.c, 6.18).
fn read(text: &str) -> Tie {
    let field = |name: &str| -> Option<u64> {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
    };
    let target = field("cgroup_id").or_else(|| field("ifindex")).unwrap_or(0);
    let program = field("prog_id").and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    Tie { program, is_attached: target != 0 }
}

/// A descriptor that a call has made.
fn owned(number: c_long) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn bpf<T>(command: c_long, attributes: &T) -> io::Result<c_long> {
    let attributes: *const T = attributes;
    // SAFETY: attributes of that command, and their size; what they point at outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_the_kernel_writes_it() {
        let cgroup = "pos:\t0\nflags:\t02\nlink_type:\tcgroup\nlink_id:\t7\n\
             prog_tag:\t0123456789abcdef\nprog_id:\t42\ncgroup_id:\t12884901889\nattach_type:\t1\n";
        let device = "link_type:\ttcx\nprog_id:\t43\nifindex:\t2\nattach_type:\t46\n";

        assert_eq!(read(cgroup), Tie { program: 42, is_attached: true });
        assert_eq!(read(device), Tie { program: 43, is_attached: true });
        let detached = cgroup.replace("12884901889", "0");
        assert_eq!(read(&detached), Tie { program: 42, is_attached: false });
        let map = "map_type:\t1\nmap_id:\t9\n";
        assert_eq!(read(map), Tie { program: 0, is_attached: false });
    }
}
