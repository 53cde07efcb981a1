//! Links as far as the library does not go: one of a kind that it makes and does not hand out, so
//! that it could not be pinned; what a pinned one ties together; and another program in its place.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::Path,
};

use super::sys;

/// An attach type (include/uapi/linux/bpf.h, 6.18).
const BPF_CGROUP_SETSOCKOPT: u32 = 22;

/// What a pinned link ties together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie {
    /// The program's id; 0: the pin is no link.
    pub(super) program: u32,
    /// The id of the cgroup or the index of the device at the other end; 0: there is none.
    pub(super) target: u64,
}

impl Tie {
    /// Whether the program is at work.
    pub(super) const fn is_attached(self) -> bool {
        self.program != 0 && self.target != 0
    }
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
    let link = sys::create_link(program, cgroup, BPF_CGROUP_SETSOCKOPT)?;
    sys::pin(link.as_fd(), pin)
}

/// Has a pinned link run another program.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn update(pin: &Path, program: BorrowedFd<'_>) -> io::Result<()> {
    sys::update_link(sys::open(pin)?.as_fd(), program)
}

/// Detaches a pinned link. The kernel does so by itself once the last pin is gone, and a while
/// after that (`bpf_link_put`, kernel/bpf/syscall.c, 6.18).
///
/// # Errors
///
/// What the kernel said, or that the program is still at work.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    sys::detach_link(sys::open(pin)?.as_fd())?;
    if is_attached(pin) { Err(io::Error::other("it is still attached")) } else { Ok(()) }
}

/// Looks at a pinned link.
///
/// # Errors
///
/// What the kernel said; [`io::ErrorKind::NotFound`] where there is no pin.
pub(super) fn tie(pin: &Path) -> io::Result<Tie> {
    told(pin).map(|text| read(&text))
}

/// Whether a pinned link has a program at work.
pub(super) fn is_attached(pin: &Path) -> bool {
    tie(pin).is_ok_and(Tie::is_attached)
}

/// The kernel's number of a pinned map; 0: the pin is no map.
///
/// # Errors
///
/// What the kernel said; [`io::ErrorKind::NotFound`] where there is no pin.
pub(super) fn map_id(pin: &Path) -> io::Result<u32> {
    told(pin).map(|text| number(&text, "map_id"))
}

/// The kernel's number of a pinned program; 0: the pin is no program.
///
/// # Errors
///
/// As [`map_id`].
pub(super) fn program_id(pin: &Path) -> io::Result<u32> {
    // A link has one as well, and a number of its own.
    told(pin).map(|text| match number(&text, "link_id") {
        0 => number(&text, "prog_id"),
        _ => 0,
    })
}

/// What the kernel tells of a pinned object.
fn told(pin: &Path) -> io::Result<String> {
    let object = sys::open(pin)?;
    fs::read_to_string(format!("/proc/self/fdinfo/{}", object.as_raw_fd()))
}

fn number(text: &str, name: &str) -> u32 {
    field(text, name).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// Reads what the kernel tells of a link's descriptor (`bpf_link_show_fdinfo`,
/// kernel/bpf/syscall.c, and `..._show_fdinfo` of cgroup.c and tcx.c, 6.18).
fn read(text: &str) -> Tie {
    let target = field(text, "cgroup_id").or_else(|| field(text, "ifindex")).unwrap_or(0);
    Tie { program: number(text, "prog_id"), target }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_the_kernel_writes_it() {
        let cgroup = "pos:\t0\nflags:\t02\nlink_type:\tcgroup\nlink_id:\t7\n\
             prog_tag:\t0123456789abcdef\nprog_id:\t42\ncgroup_id:\t12884901889\nattach_type:\t1\n";
        let device = "link_type:\ttcx\nprog_id:\t43\nifindex:\t2\nattach_type:\t46\n";

        assert_eq!(read(cgroup), Tie { program: 42, target: 12_884_901_889 });
        assert_eq!(read(device), Tie { program: 43, target: 2 });
        let detached = cgroup.replace("12884901889", "0");
        assert_eq!(read(&detached), Tie { program: 42, target: 0 });
        let map = "map_type:\t1\nmap_id:\t9\n";
        assert_eq!(read(map), Tie { program: 0, target: 0 });
        assert!(read(cgroup).is_attached() && !read(&detached).is_attached());
        assert!(!read(map).is_attached());
    }
}
