//! A server of its own, for services that are nothing but webhooks.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower_service::Service;

use super::service::{WebhookService, response};
use super::shutdown_signal;
use crate::error::Error;
use crate::reply::Reply;
use crate::startup::webhooks::{Handle, Webhooks};

/// A connection's own memory: a head has to fit into it, and a body is read through it. hyper's usual 400 KiB would be
/// anyone's to fill, times the connections; no vendor's head is longer than a few.
const BUFFER: usize = 32 << 10;

/// Serves until SIGTERM or Ctrl-C, then drains.
pub(super) async fn until_signalled(webhooks: Webhooks, listener: TcpListener) -> Result<(), Error> {
    let (handle, signal) = (webhooks.handle(), shutdown_signal());
    let service = WebhookService::new(webhooks.endpoint.clone());
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(webhooks.http.head_timeout).max_buf_size(BUFFER);
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, path = &*webhooks.endpoint.path, "listening for webhooks");
    }
    let accept = async {
        loop {
            let Some(stream) = accept(&listener).await else { continue };
            let (service, handle) = (service.clone(), handle.clone());
            let answer = service_fn(move |request| answer(service.clone(), handle.clone(), request));
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), answer));
            // A connection that ends badly is the client's affair; its deliveries have their own lines.
            tokio::spawn(async move { drop(connection.await) });
        }
    };
    let drained = async {
        signal.await;
        tracing::info!("draining");
        handle.drain().await;
    };
    tokio::select! {
        () = drained => {}
        () = accept => {}
    }
    // Whoever keeps an idle connection open does not keep the process.
    let _ = tokio::time::timeout(Duration::from_secs(1), connections.shutdown()).await;
    tracing::info!("stopped");
    Ok(())
}

async fn accept(listener: &TcpListener) -> Option<tokio::net::TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // An answer is one small write; waiting to fill a packet only delays it.
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Err(error) => {
            // Out of file descriptors, for instance: others will be closed soon.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn answer(
    mut service: WebhookService,
    handle: Handle,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let probe = request.method() == Method::GET;
    match request.uri().path() {
        "/livez" if probe => Ok(response(Reply::empty(StatusCode::OK))),
        "/readyz" if probe => {
            let status = if handle.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            Ok(response(Reply::empty(status)))
        }
        _ => service.call(request).await,
    }
}
