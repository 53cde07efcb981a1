//! What is wrong, or doubtful, in a policy file, and where.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy is not valid.
    Error,
    /// The policy is valid and probably not what was meant.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the policy is refused for it.
    pub severity: Severity,
    /// Line in the policy file, from 1.
    pub line: u32,
    /// Column in the policy file, from 1, in characters.
    pub column: u32,
    /// The offending text as the file has it; empty where something is missing.
    pub text: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What would be right; empty where the message says it already.
    pub help: String,
}
