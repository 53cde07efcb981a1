//! Programs of two instructions: a number is returned. They are loaded without an object file, for
//! which the library has no function.

use std::{
    ffi::{CString, c_long},
    io,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use crate::bpf;

/// Commands of `bpf(2)` (include/uapi/linux/bpf.h, 6.18).
const BPF_PROG_LOAD: c_long = 5;
const BPF_OBJ_PIN: c_long = 6;
/// Operations of instructions (Documentation/bpf/standardization/instruction-set.rst).
const MOVE_IMMEDIATE_64: u8 = 0xb7;
const EXIT: u8 = 0x95;
/// Bytes of a program's name.
const NAME_BYTES: usize = 16;

/// What such a program is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `BPF_PROG_TYPE_CGROUP_SKB` for egress, which lets everything pass.
    Pass,
    /// `BPF_PROG_TYPE_SCHED_CLS`, which drops everything (`TC_ACT_SHOT`).
    Drop,
}

impl Kind {
    /// The type of the program, where it is to be attached, and what it returns.
    const fn numbers(self) -> (u32, u32, u8) {
        match self {
            Self::Pass => (8, 1, 1),
            Self::Drop => (3, 0, 2),
        }
    }
}

/// What is said of a program in `union bpf_attr`.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_BYTES],
    device: u32,
    attach_type: u32,
}

/// What pins an object, in `union bpf_attr`.
#[repr(C)]
struct Pin {
    path: u64,
    object: RawFd,
    flags: u32,
}

/// Loads one and pins it, for the library to take it from there.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn pin(kind: Kind, path: &Path) -> io::Result<()> {
    let (number, attach_type, returned) = kind.numbers();
    // An instruction: its operation, registers, an offset of two bytes, an operand of four.
    let instructions: [[u8; 8]; 2] =
        [[MOVE_IMMEDIATE_64, 0, 0, 0, returned, 0, 0, 0], [EXIT, 0, 0, 0, 0, 0, 0, 0]];
    let licence = c"GPL";
    let load = Load {
        kind: number,
        count: 2,
        instructions: instructions.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: [0; NAME_BYTES],
        device: 0,
        attach_type,
    };
    let program = bpf::open(BPF_PROG_LOAD, &load)?;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let pin = Pin { path: path.as_ptr() as u64, object: program.as_raw_fd(), flags: 0 };
    bpf::call(BPF_OBJ_PIN, &pin).map(drop)
}
