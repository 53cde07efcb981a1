//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.1.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use super::{Health, Source, classic, families::families, openmetrics};

/// Scrapers at once; more wait.
const MAX_CONNECTIONS: usize = 16;
/// A peer that has not sent its request by then is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection ends after this, idle or not.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// After a failed accept (no file descriptors left), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves for ever.
pub async fn serve(listener: TcpListener, source: Source, health: watch::Receiver<Health>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accept a connection for metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (source, health) = (Arc::clone(&source), health.clone());
        drop(tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (source, health) = (Arc::clone(&source), *health.borrow());
                async move { Ok::<_, Infallible>(respond(&request, source, health).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let ended = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            if let Ok(Err(error)) = ended {
                tracing::debug!(%error, "serve metrics");
            }
            drop(permit);
        }));
    }
}

async fn respond<B>(request: &Request<B>, source: Source, health: Health) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get_all(ACCEPT);
            let wants_openmetrics = accept.iter().any(|value| {
                value.to_str().is_ok_and(|text| text.contains("application/openmetrics-text"))
            });
            // Reading maps is many system calls: not on a thread that others wait for.
            let written = tokio::task::spawn_blocking(move || metrics(&source, wants_openmetrics));
            written.await.unwrap_or_else(|error| failed(&error.to_string()))
        }
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" => match health {
            Health::Ready => plain(StatusCode::OK, "ready\n"),
            Health::Starting => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: the hooks are not attached yet\n",
            ),
            Health::Unloaded => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: somebody has unloaded everything; start the agent again\n",
            ),
        },
        _ => plain(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"),
    }
}

fn metrics(source: &Source, wants_openmetrics: bool) -> Response<Full<Bytes>> {
    let reading = match source() {
        Ok(reading) => reading,
        Err(error) => return failed(&error.to_string()),
    };
    let families = families(reading.as_ref());
    if !wants_openmetrics {
        return typed(StatusCode::OK, classic::CONTENT_TYPE, classic::write(&families));
    }
    match openmetrics::write(families) {
        Ok(text) => typed(StatusCode::OK, openmetrics::CONTENT_TYPE, text),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> Response<Full<Bytes>> {
    tracing::error!(why, "read metrics");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the maps cannot be read; the log says why\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
