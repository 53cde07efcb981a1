//! What is valid and probably not what was meant.

use super::{Policy, diagnostic::Diagnostic};

/// The doubts about a valid policy, in the order of the file.
pub fn warnings(_policy: &Policy) -> Vec<Diagnostic> {
    Vec::new()
}
