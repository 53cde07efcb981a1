//! Prometheus metrics: one look at the kernel's maps at each scrape, nothing counted here.
//!
//! [`families`] turns a [`Reading`](crate::datapath::Reading) into plain samples; [`openmetrics`]
//! and [`classic`] write them down; [`http`] serves them beside `/healthz` and `/readyz`.
//!
//! The surprising thing: counters go on over a restart of the agent, since the kernel owns them,
//! and no label is ever an address or a name that a stranger chose: rules, reasons, hooks and
//! maps are bounded by the policy and the program.

mod classic;
mod families;
mod http;
mod openmetrics;

use std::sync::Arc;

pub use self::{families::METRICS, http::serve};
use crate::datapath::{DatapathError, Reading};

/// Takes a look at the maps.
pub type Source = Arc<dyn Fn() -> Result<Option<Reading>, DatapathError> + Send + Sync>;

/// How the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not every hook is attached, or no policy is in force.
    Starting,
    /// Every hook is attached and a policy is in force.
    Ready,
    /// Somebody has unloaded everything.
    Unloaded,
}

#[cfg(test)]
mod tests;
