//! Two things that are done to a pinned link by `bpf(2)`.

use std::{
    ffi::{CString, c_long},
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use anyhow::Context as _;

use crate::bpf;

/// Commands (include/uapi/linux/bpf.h, 6.18).
const BPF_OBJ_GET: c_long = 7;
const BPF_LINK_UPDATE: c_long = 29;
const BPF_LINK_DETACH: c_long = 34;

/// What opens a pin, in `union bpf_attr`.
#[repr(C)]
struct ObjectGet {
    path: u64,
    object: RawFd,
    flags: u32,
}

/// `link_update` of `union bpf_attr`.
#[repr(C)]
struct LinkUpdate {
    link: RawFd,
    program: RawFd,
    flags: u32,
    old: RawFd,
}

/// `link_detach` of `union bpf_attr`.
#[repr(C)]
struct LinkDetach {
    link: RawFd,
}

/// Detaches it, and leaves its pin.
pub(super) fn detach(pin: &Path) -> anyhow::Result<()> {
    let link = open(pin)?;
    let what = || format!("detach {}", pin.display());
    bpf::call(BPF_LINK_DETACH, &LinkDetach { link: link.as_raw_fd() }).map(drop).with_context(what)
}

/// Gives it another program, which is pinned, too.
pub(super) fn replace(pin: &Path, program: &Path) -> anyhow::Result<()> {
    let (link, program) = (open(pin)?, open(program)?);
    let update =
        LinkUpdate { link: link.as_raw_fd(), program: program.as_raw_fd(), flags: 0, old: 0 };
    let what = || format!("replace the program of {}", pin.display());
    bpf::call(BPF_LINK_UPDATE, &update).map(drop).with_context(what)
}

fn open(pin: &Path) -> anyhow::Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let get = ObjectGet { path: path.as_ptr() as u64, object: 0, flags: 0 };
    bpf::open(BPF_OBJ_GET, &get).with_context(|| format!("open {}", pin.display()))
}
