//! Destinations as a policy writes them.

use std::fmt;

use super::Endpoint;

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fqdn { pattern, .. } => write!(f, "{pattern}"),
            Self::Cidr { prefix, except, .. } => {
                if prefix.prefix_len() == prefix.max_prefix_len() {
                    write!(f, "{}", prefix.addr())?;
                } else {
                    write!(f, "{prefix}")?;
                }
                if except.is_empty() { Ok(()) } else { write!(f, " (with {} holes)", except.len()) }
            }
        }
    }
}
