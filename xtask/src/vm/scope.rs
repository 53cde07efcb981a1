//! Tests that cannot hold on a kernel, each with its reason; they are listed, never left out in
//! silence.

/// A test that is not run, and where.
struct Exception {
    test: &'static str,
    /// Whether it concerns a kernel, by the first two numbers of its version.
    concerns: fn((u32, u32)) -> bool,
    reason: &'static str,
}

const EXCEPTIONS: [Exception; 15] = [
    Exception {
        test: "scale::resolves_ten_thousand_names_in_a_hundred_megabytes",
        concerns: |_| true,
        reason: "it measures time and memory, and an emulated machine takes ten times as long",
    },
    Exception {
        test: "bench::the_bench_sends_everything_past_everyone_and_tells_what_is_missing",
        concerns: |_| true,
        reason: "it has a dozen agents start and what it compares with has no place on that machine",
    },
    Exception {
        test: "chaos::kills_of_the_agent_cost_no_packet_that_is_allowed_and_let_none_pass",
        concerns: |_| true,
        reason: "an agent under a load is not ready in time where the verifier takes a minute",
    },
    Exception {
        test: "upgrades::an_upgrade_and_a_downgrade_cost_no_packet_that_is_allowed_and_let_none_pass",
        concerns: |_| true,
        reason: "it counts segments that TCP sends again, as it does on an emulated machine",
    },
    Exception {
        test: "memory::the_memory_that_the_log_tells_is_what_the_kernel_accounts",
        concerns: |kernel| kernel < (6, 4),
        reason: "the kernel does not account there what is in a map, only what could be",
    },
    without_cookies("connect::a_connect_that_egress_refuses_ends_at_once"),
    without_cookies(
        "poison::forged::a_raw_answer_from_a_local_resolver_is_dropped_where_it_leaves",
    ),
    without_cookies(
        "poison::local::a_socket_of_another_address_does_not_answer_for_a_resolver_on_the_nodes_address",
    ),
    without_cookies("poison::local::a_socket_of_another_address_does_not_answer_for_a_stub"),
    without_cookies(
        "poison::race::a_connected_socket_that_asked_the_resolver_besides_reaches_only_the_resolver",
    ),
    without_cookies("poison::race::two_threads_that_connect_and_send_reach_only_the_resolver"),
    without_cookies("poison::race::two_threads_that_send_to_two_servers_reach_only_the_resolver"),
    without_cookies("resolvers::a_stub_on_the_node_teaches_what_it_has_in_its_cache"),
    without_cookies(
        "translation::a_datagram_of_an_unconnected_socket_to_the_service_address_is_answered_and_learned_from",
    ),
    without_cookies("translation::a_service_address_of_the_resolver_is_asked_and_learned_from"),
];

/// The agent cannot tell its network namespace before 5.14 (`SO_NETNS_COOKIE`) and is taken to be
/// in the initial one; the tests' agents are not.
const fn without_cookies(test: &'static str) -> Exception {
    Exception {
        test,
        concerns: |kernel| kernel < (5, 14),
        reason: "the node is the initial network namespace there, and the test's is another",
    }
}

/// Why a test does not apply to a kernel, where it does not.
pub(super) fn not_applicable(test: &str, kernel: (u32, u32)) -> Option<&'static str> {
    let exceptions = EXCEPTIONS.iter().filter(|it| it.test == test && (it.concerns)(kernel));
    exceptions.map(|it| it.reason).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_left_out_by_its_whole_name() {
        let [Exception { test, reason, .. }, ..] = EXCEPTIONS;

        assert_eq!(not_applicable(test, (5, 10)), Some(reason));
        assert_eq!(not_applicable("scale::resolves", (5, 10)), None);
    }
}
