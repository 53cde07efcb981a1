//! Tests that cannot hold on a kernel, each with its reason; they are listed, never left out in
//! silence.

/// A test that is not run, and where.
struct Exception {
    test: &'static str,
    /// Whether it concerns a kernel, by the first two numbers of its version.
    concerns: fn((u32, u32)) -> bool,
    reason: &'static str,
}

const EXCEPTIONS: [Exception; 1] = [Exception {
    test: "scale::resolves_ten_thousand_names_in_a_hundred_megabytes",
    concerns: |_| true,
    reason: "it measures time and memory, and an emulated machine takes ten times as long",
}];

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
