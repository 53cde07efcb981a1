//! Program tests: each hook on crafted packets, in the kernel.

mod load;
