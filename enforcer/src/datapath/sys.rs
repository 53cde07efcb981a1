//! The calls of `bpf(2)` that the library has no function for.
#![expect(unsafe_code, reason = "system calls; each is one operation on descriptors that are held")]

use std::{
    cell::Cell,
    ffi::{CString, c_long},
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::Pod;
use nix::libc;

/// Commands of `bpf(2)` (include/uapi/linux/bpf.h, 6.18).
const BPF_MAP_LOOKUP_ELEM: c_long = 1;
const BPF_MAP_UPDATE_ELEM: c_long = 2;
const BPF_MAP_GET_NEXT_KEY: c_long = 4;
const BPF_OBJ_PIN: c_long = 6;
const BPF_OBJ_GET: c_long = 7;
const BPF_MAP_UPDATE_BATCH: c_long = 26;
const BPF_MAP_DELETE_BATCH: c_long = 27;
const BPF_LINK_CREATE: c_long = 28;
const BPF_LINK_UPDATE: c_long = 29;
const BPF_LINK_DETACH: c_long = 34;

/// A flag of updates: the key must be new.
const BPF_NOEXIST: u64 = 1;

/// What is said of an element in `union bpf_attr`.
#[repr(C)]
struct Element {
    map: RawFd,
    padding: u32,
    key: u64,
    /// Of the value, or of the next key.
    value: u64,
    flags: u64,
}

/// `batch` of `union bpf_attr`.
#[repr(C)]
struct Batch {
    /// Where a walk goes on, and where it stopped; not of those that write.
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    /// How many there are; the kernel writes how many it has done.
    count: Cell<u32>,
    map: RawFd,
    element_flags: u64,
    flags: u64,
}

/// A batch that the kernel did not do, or not to its end.
#[derive(Debug)]
pub(super) struct Stopped {
    /// How many of its entries are done; the next one is what the kernel stumbled over.
    pub(super) done: usize,
    /// What it said.
    pub(super) error: io::Error,
}

/// `link_create` of `union bpf_attr`.
#[repr(C)]
struct LinkCreate {
    program: RawFd,
    target: RawFd,
    attach_type: u32,
    flags: u32,
}

/// `link_update` of `union bpf_attr`.
#[repr(C)]
struct LinkUpdate {
    link: RawFd,
    program: RawFd,
    flags: u32,
    old_program: u32,
}

/// `link_detach` of `union bpf_attr`.
#[repr(C)]
struct LinkDetach {
    link: RawFd,
}

/// What pins an object, or opens a pin, in `union bpf_attr`.
#[repr(C)]
struct ObjectPin {
    path: u64,
    object: RawFd,
    flags: u32,
}

/// Makes a link of a program to a cgroup.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn create_link(
    program: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    let create = LinkCreate {
        program: program.as_raw_fd(),
        target: target.as_raw_fd(),
        attach_type,
        flags: 0,
    };
    owned(bpf(BPF_LINK_CREATE, &create)?)
}

/// Has a link run another program from now on; a packet is judged by the one or by the other.
///
/// # Errors
///
/// What the kernel said: another type of program (EINVAL), a link that is detached (ENOLINK).
pub(super) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let update = LinkUpdate {
        link: link.as_raw_fd(),
        program: program.as_raw_fd(),
        flags: 0,
        old_program: 0,
    };
    bpf(BPF_LINK_UPDATE, &update).map(drop)
}

/// Takes a link's program from its hook at once, whoever holds the link (5.9 and later).
///
/// # Errors
///
/// What the kernel said.
pub(super) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    bpf(BPF_LINK_DETACH, &LinkDetach { link: link.as_raw_fd() }).map(drop)
}

/// Pins an object.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let pin = ObjectPin { path: path.as_ptr() as u64, object: object.as_raw_fd(), flags: 0 };
    bpf(BPF_OBJ_PIN, &pin).map(drop)
}

/// Opens a pin.
///
/// # Errors
///
/// What the kernel said; [`io::ErrorKind::NotFound`] where there is none.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let get = ObjectPin { path: path.as_ptr() as u64, object: 0, flags: 0 };
    owned(bpf(BPF_OBJ_GET, &get)?)
}

/// Finds the key behind another, or the first; `false`: there is none. `next` has the size of a key.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn next_key(
    map: BorrowedFd<'_>,
    key: Option<&[u8]>,
    next: &mut [u8],
) -> io::Result<bool> {
    let key = key.map_or(0, |key| key.as_ptr() as u64);
    let value = next.as_mut_ptr() as u64;
    let element = Element { map: map.as_raw_fd(), padding: 0, key, value, flags: 0 };
    is_there(bpf(BPF_MAP_GET_NEXT_KEY, &element))
}

/// Reads a value; `false`: there is none. Sizes are the map's.
///
/// # Errors
///
/// What the kernel said.
pub(super) fn look_up(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let (key, value) = (key.as_ptr() as u64, value.as_mut_ptr() as u64);
    let element = Element { map: map.as_raw_fd(), padding: 0, key, value, flags: 0 };
    is_there(bpf(BPF_MAP_LOOKUP_ELEM, &element))
}

/// Writes a value. Sizes are the map's.
///
/// # Errors
///
/// What the kernel said: the key is there and must be new (EEXIST), the map is full (E2BIG).
pub(super) fn insert(
    map: BorrowedFd<'_>,
    key: &[u8],
    value: &[u8],
    must_be_new: bool,
) -> io::Result<()> {
    let flags = if must_be_new { BPF_NOEXIST } else { 0 };
    let (key, value) = (key.as_ptr() as u64, value.as_ptr() as u64);
    let element = Element { map: map.as_raw_fd(), padding: 0, key, value, flags };
    bpf(BPF_MAP_UPDATE_ELEM, &element).map(drop)
}

/// Writes the entries of many keys, in their order (5.6 and later).
///
/// # Errors
///
/// How far it came, and what the kernel said: that such maps know no batches, or what it says of a
/// single entry.
pub(super) fn insert_all<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> Result<(), Stopped> {
    let count = keys.len().min(values.len());
    batch(BPF_MAP_UPDATE_BATCH, map, keys.as_ptr() as u64, values.as_ptr() as u64, count)
}

/// Removes the entries of many keys, in their order (5.6 and later).
///
/// # Errors
///
/// As [`insert_all`]; a key that is not there is an error as well (ENOENT).
pub(super) fn remove_all<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> Result<(), Stopped> {
    batch(BPF_MAP_DELETE_BATCH, map, keys.as_ptr() as u64, 0, keys.len())
}

fn batch(
    command: c_long,
    map: BorrowedFd<'_>,
    keys: u64,
    values: u64,
    count: usize,
) -> Result<(), Stopped> {
    let stopped = |done, error| Stopped { done, error };
    let all = u32::try_from(count).map_err(|error| stopped(0, io::Error::other(error)))?;
    let batch = Batch {
        from: 0,
        to: 0,
        keys,
        values,
        count: Cell::new(all),
        map: map.as_raw_fd(),
        element_flags: 0,
        flags: 0,
    };
    bpf(command, &batch).map(drop).map_err(|error| {
        // A kernel that refuses the call as a whole leaves the count as it was.
        let done = batch.count.get();
        stopped(if done < all { done as usize } else { 0 }, error)
    })
}

fn is_there(result: io::Result<c_long>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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
