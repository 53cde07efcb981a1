//! The limit of memory against what the program says that its maps take.

use enforcer::datapath::{LoadOptions, TcMode};

use super::manifest::{BASE, agent, option, text};

const MIB: u64 = 1024 * 1024;
/// What the agent and the verifier take while a pod starts, of the 93 MiB that were measured.
const START: u64 = 49 * MIB;
/// `NAME_TEXT` when it is full, which is no part of what addresses take.
const NAMES: u64 = 40 * MIB;

/// What a pod takes at most with a policy of a few ranges.
fn needed(max_addresses: u32) -> u64 {
    let options = LoadOptions {
        bpffs: "/sys/fs/bpf/enforcer".into(),
        cgroup: "/sys/fs/cgroup".into(),
        max_addresses,
        hosts: 0,
        without: 0,
        judges_uplinks: true,
        tc_mode: TcMode::of_kernel(),
    };
    let memory = options.memory().unwrap();
    // The buckets of the addresses are in both.
    memory.at_start.0 + memory.addresses.0 + NAMES + START
}

fn limit() -> u64 {
    let limit = text(&agent(&BASE)["resources"]["limits"]["memory"]);
    limit.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() * MIB
}

#[test]
fn the_limit_of_memory_holds_every_address_that_there_can_be() {
    const DEFAULT: u32 = 1_048_576;
    assert_eq!(option(&BASE, "--max-addresses"), None);

    let (needed, limit) = (needed(DEFAULT), limit());
    println!("{} MiB of {} MiB", needed / MIB, limit / MIB);
    assert!(needed <= limit, "{needed} of {limit}");
}

#[test]
fn more_addresses_than_the_limit_holds_are_found() {
    assert!(needed(4 * 1_048_576) > limit());
}
