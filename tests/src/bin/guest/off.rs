//! The end of the machine.

/// Where QEMU's `isa-debug-exit` listens, as `cargo xtask vm` starts it.
#[cfg(target_arch = "x86_64")]
const PORT: u16 = 0xf4;

/// Hands a value to the emulator, which then exits; comes back where there is none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn switch_off(value: u8) {
    // `/dev/port` would need no permission and no instruction, but Debian's kernels have none
    // (CONFIG_DEVPORT).
    // SAFETY: grants IO ports to this process and touches no memory.
    let refused = unsafe { nix::libc::ioperm(PORT.into(), 1, 1) };
    if refused == 0 {
        // SAFETY: the port was granted above, it is no device of a virtual machine but the debug
        // exit, and the instruction reads two registers and writes none.
        unsafe {
            std::arch::asm!("out dx, al", in("dx") PORT, in("al") value, options(nomem, nostack));
        }
    }
}

/// Comes back: only the x86 machine has such a port.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn switch_off(_: u8) {}
