//! To be written.
pub mod name;
pub mod pattern;

pub use name::DomainName;
pub use pattern::Pattern;
