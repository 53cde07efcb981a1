//! One file a kind of attach point; each reads like its own summary.

pub(crate) mod connect;
pub(crate) mod egress;
