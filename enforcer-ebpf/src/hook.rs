//! One file a kind of attach point; each reads like its own summary.

pub(crate) mod connect;
pub(crate) mod egress;
pub(crate) mod ingress;
pub(crate) mod sendmsg;
pub(crate) mod write;
