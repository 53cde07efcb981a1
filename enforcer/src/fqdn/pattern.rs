//! What a policy says about names: exact or with wildcards.

use super::DomainName;

/// A valid name pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    exact: Option<DomainName>,
}

impl Pattern {
    /// The name itself, when the pattern has no wildcard.
    pub fn exact(&self) -> Option<&DomainName> {
        self.exact.as_ref()
    }

    /// Whether the pattern accepts `name`.
    pub fn matches(&self, _name: &DomainName) -> bool {
        false
    }
}
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.exact.as_ref().map_or("*", |n| n.as_str()))
    }
}
