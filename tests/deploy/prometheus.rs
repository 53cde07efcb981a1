//! Rules and configurations for Prometheus, in Prometheus's own checker, in Prometheus itself
//! while it scrapes an agent, and in the schema of its operator.

mod alerts;
mod discovery;
pub(crate) mod expression;
mod live;
mod operator;
pub(crate) mod page;
pub(crate) mod rules;
mod scrape;
mod server;
