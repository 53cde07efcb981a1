//! The manifests below `deploy/kubernetes`, as kubectl renders them.
//!
//! Schemas say whether a manifest is one, and hardly anything of whether it works: a selector that
//! matches nothing, a probe of a port that is not there and an option that the program does not
//! know all pass. What no schema says are the [`rules`], each with a manifest that breaks it. The
//! chart is held to the same ones. The surprising thing: no cluster is needed for any of this, and
//! nothing of this shows what a kubelet does; [`pod`] starts the agent with what a pod would give
//! it, and that is as near as it comes.

mod components;
pub(crate) mod manifest;
mod memory;
pub(crate) mod node;
mod overlays;
mod pod;
pub(crate) mod program;
pub(crate) mod rules;
pub(crate) mod schema;
