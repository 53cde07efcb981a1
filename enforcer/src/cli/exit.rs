//! How a verb ends.

/// Exit codes, as documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// An error: an invalid policy, no such thing.
    Error = 1,
    /// Wrong usage.
    Usage = 2,
    /// Enforcing, and something is missing: the agent, a hook.
    Degraded = 3,
    /// Nothing is enforced.
    NotEnforcing = 4,
}

impl std::process::Termination for Exit {
    fn report(self) -> std::process::ExitCode {
        std::process::ExitCode::from(self as u8)
    }
}
