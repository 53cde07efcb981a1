//! Memory that is shared with the kernel: rings of `io_uring(7)`, `packet(7)` and `AF_XDP`.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    ptr,
};

use anyhow::Context as _;
use nix::{errno::Errno, libc};

/// Mapped until it is dropped.
pub(super) struct Memory {
    place: *mut libc::c_void,
    length: usize,
}

impl Memory {
    /// Of a descriptor, at an offset that says what.
    pub(super) fn of(descriptor: &OwnedFd, length: usize, offset: i64) -> anyhow::Result<Self> {
        Self::map(length, libc::MAP_SHARED, descriptor.as_raw_fd(), offset)
    }

    /// Of nothing: zeroes.
    pub(super) fn new(length: usize) -> anyhow::Result<Self> {
        Self::map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    }

    fn map(length: usize, flags: i32, descriptor: i32, offset: i64) -> anyhow::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses the place, and checks descriptor, length and offset.
        let place =
            unsafe { libc::mmap(ptr::null_mut(), length, access, flags, descriptor, offset) };
        if place == libc::MAP_FAILED {
            return Err(Errno::last()).context("map memory");
        }
        Ok(Self { place, length })
    }

    pub(super) fn address(&self) -> u64 {
        self.place as u64
    }

    /// Puts bytes where the kernel reads them.
    pub(super) fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.length);
        let to = self.place.wrapping_byte_add(at).cast();
        // SAFETY: all of it is in the mapping, which overlaps nothing of Rust's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Sets a word that the kernel looks at, behind everything that was put.
    pub(super) fn set(&self, at: usize, word: u32) {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        // SAFETY: it is in the mapping and aligned, as `word` sees to.
        unsafe { self.word(at).write_volatile(word) };
    }

    /// A word that the kernel has written.
    pub(super) fn get(&self, at: usize) -> u32 {
        // SAFETY: it is in the mapping and aligned, as `word` sees to.
        unsafe { self.word(at).read_volatile() }
    }

    fn word(&self, at: usize) -> *mut u32 {
        assert!(at.is_multiple_of(size_of::<u32>()) && at + size_of::<u32>() <= self.length);
        self.place.wrapping_byte_add(at).cast()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing of Rust's points into it.
        unsafe { libc::munmap(self.place, self.length) };
    }
}
