//! One file a kind of attach point; each reads like its own summary.
//!
//! A hook owns the order of what happens to a packet or a call; how tables are laid out and what a
//! program returns is not its to know. Ingress is the one that sees what others sent, and drops
//! nothing but what is forged for certain.

pub(crate) mod connect;
pub(crate) mod egress;
pub(crate) mod ingress;
pub(crate) mod sendmsg;
pub(crate) mod setsockopt;
pub(crate) mod tc_egress;
pub(crate) mod tc_ingress;
pub(crate) mod write;
