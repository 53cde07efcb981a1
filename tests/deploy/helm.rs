//! The chart in `deploy/helm/enforcer`: Helm's own library renders it.
//!
//! It has the manifests of `deploy/kubernetes` in it a second time, and must not say anything else:
//! each overlay is held against the chart with the values that stand for it.

mod chart;
mod parity;
mod values;
