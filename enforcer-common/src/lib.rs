//! What the kernel programs and the agent agree on.
//!
//! Everything that crosses the boundary between the two is defined here: map names and sizes
//! (`abi`), keys and values (`address`, `rule_mask`, ...), the numbered reasons (`verdict`), and the
//! decision itself (`decide`), which the kernel runs on maps and the agent runs on plain
//! collections.
#![no_std]

pub mod verdict;
