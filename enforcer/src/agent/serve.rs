//! The agent's HTTP address: bound before anything is loaded, served once it is ready.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    datapath,
    metrics::{self, Health},
};

/// Binds the address, if one is wanted.
pub(super) async fn bind(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen for metrics on {address}: choose another --metrics address, or none")
    })?;
    Ok(Some(listener))
}

/// Serves what the maps say for as long as the agent runs.
pub(super) fn spawn(
    listener: Option<TcpListener>,
    bpffs: PathBuf,
    health: watch::Receiver<Health>,
) {
    let Some(listener) = listener else { return };
    let source: metrics::Source = Arc::new(move || datapath::read(&bpffs));
    drop(tokio::spawn(metrics::serve(listener, source, health)));
}
