//! Every way out of the node that is known, tried towards an address that no rule names.
//!
//! A technique is shown to work: without the enforcer its packets arrive in the world. Then it is
//! tried with the enforcer, once for each way to attach, and once by a process that is in no cgroup
//! that is judged, so that uplinks are all that is in its way. What arrives is counted at the other
//! end of the wire, never by the enforcer. Behind each try, the same has to arrive at the one
//! address that the policy names, or at least an ordinary datagram: a wire that is cut stops
//! everything, and proves nothing.
//!
//! Nothing here knows how a verdict comes about. The surprising thing: a technique that a kernel
//! has not got is no failure, but it is told past the harness's capture (`not applicable: NAME:
//! WHY`), only where the table says what may be missing, and the last test counts.

mod fragments;
mod frames;
mod ground;
mod kernel;
mod later;
mod many;
mod memory;
mod namespaces;
mod option;
mod outcome;
mod raw;
mod ring;
mod sockets;
mod technique;
mod trial;
mod tun;
mod tunnels;
mod uring;
mod wireguard;
mod xdp;

use enforcer_tests::require_privilege;

use self::{
    outcome::{Outcome, say},
    trial::Group,
};

static SOCKETS: Group = Group::new(&sockets::TECHNIQUES);
static RAW: Group = Group::new(&raw::TECHNIQUES);
static FRAGMENTS: Group = Group::new(&fragments::TECHNIQUES);
static FRAMES: Group = Group::new(&frames::TECHNIQUES);
static PAST_THE_QUEUE: Group = Group::of_the_workload(&frames::PAST_THE_QUEUE);
static BY_XDP: Group = Group::of_the_workload(&frames::BY_XDP);
// Whose socket it is only the hooks of its cgroup know.
static AS_DISCOVERY: Group = Group::of_the_workload(&raw::AS_DISCOVERY);
static MANY: Group = Group::new(&many::TECHNIQUES);
static KERNEL: Group = Group::new(&kernel::TECHNIQUES);
static TUNNELS: Group = Group::new(&tunnels::TECHNIQUES);
static NAMESPACES: Group = Group::new(&namespaces::TECHNIQUES);
static IPVLAN: Group = Group::new(&namespaces::IPVLAN);
static LATER: Group = Group::new(&later::TECHNIQUES);
static SECOND_WIRE: Group = Group::new(&later::SECOND_WIRE);

/// All whose tests are run.
const GROUPS: [&Group; 14] = [
    &SOCKETS,
    &RAW,
    &AS_DISCOVERY,
    &PAST_THE_QUEUE,
    &BY_XDP,
    &FRAGMENTS,
    &FRAMES,
    &MANY,
    &KERNEL,
    &TUNNELS,
    &NAMESPACES,
    &IPVLAN,
    &LATER,
    &SECOND_WIRE,
];

/// Ways out that have to work on a kernel with no module at all.
const FEWEST: usize = 30;

fn expect_no_way_out(group: &Group) {
    let bad: Vec<_> = group.outcomes().iter().filter(|outcome| !outcome.is_well()).collect();
    let bad: Vec<_> = bad.into_iter().map(ToString::to_string).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn no_socket_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&SOCKETS);
}

#[test]
fn no_raw_packet_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&RAW);
}

#[test]
fn no_piece_and_no_chain_of_headers_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&FRAGMENTS);
}

#[test]
fn no_probe_of_a_neighbour_reaches_who_is_none() {
    require_privilege!();
    expect_no_way_out(&AS_DISCOVERY);
}

#[test]
fn no_frame_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&FRAMES);
}

#[test]
fn no_frame_goes_past_the_queue() {
    require_privilege!();
    expect_no_way_out(&PAST_THE_QUEUE);
}

#[test]
fn no_frame_goes_by_xdp() {
    require_privilege!();
    expect_no_way_out(&BY_XDP);
}

#[test]
fn nothing_to_many_leaves_that_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&MANY);
}

#[test]
fn nothing_that_the_kernel_sends_by_itself_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&KERNEL);
}

#[test]
fn no_tunnel_leads_to_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&TUNNELS);
}

#[test]
fn no_other_namespace_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&NAMESPACES);
}

#[test]
fn no_ipvlan_device_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&IPVLAN);
}

#[test]
fn nothing_old_new_or_handed_over_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&LATER);
}

#[test]
fn no_device_that_appears_reaches_what_no_rule_names() {
    require_privilege!();
    expect_no_way_out(&SECOND_WIRE);
}

#[test]
fn at_least_thirty_ways_out_were_tried_and_what_was_not_is_told() {
    require_privilege!();
    let outcomes: Vec<&Outcome> = GROUPS.iter().flat_map(|group| group.outcomes()).collect();
    let tried = outcomes.iter().filter(|it| it.was_tried()).count();
    let missing: Vec<_> = outcomes.iter().filter(|it| it.is_not_applicable()).collect();
    let names: Vec<_> = missing.iter().map(|it| it.technique).collect();
    say(&format!("escape: {tried} tried, {} not applicable: {}", names.len(), names.join("; ")));

    assert!(tried >= FEWEST, "{tried} tried of {}", outcomes.len());
    assert_eq!(tried + missing.len(), outcomes.len(), "some do not work");
}
