//! A concrete, absolute domain name.

/// A valid, lower-case, absolute domain name without its trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// The name as text: lower case, no trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
