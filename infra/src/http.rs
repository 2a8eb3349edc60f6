//! HTTP: the server that all services use, and the parts of an API that are the same in each of them.
//!
//! The server speaks HTTP/1.1 and limits what one client can take from others. Every request passes it, so it is one
//! function around the router rather than a stack of layers, and it logs nothing per request above `debug`.

pub mod body;
mod body_deadline;
pub mod code;
mod current;
pub mod docs;
pub mod list;
pub mod openapi;
pub mod page;
pub mod path;
pub mod problem;
mod rejected;
mod request_error;
mod request_id;
mod request_metrics;
pub mod routes;
mod security_headers;

use std::cell::OnceCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath};
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use body_deadline::BodyDeadline;
use current::{CURRENT, Current};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use problem::Problem;
use request_id::REQUEST_ID;
use request_metrics::RequestMetrics;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tower::util::MapRequestLayer;
use tower_http::timeout::TimeoutBody;
use tracing::Instrument;

use crate::trace;

pub use body::BODY_LIMIT;
pub use current::request_id;
pub use request_error::RequestError;
pub use request_id::RequestId;

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The time limits of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sending the headers of a request, and each pause between two pieces of its body: 15 s.
    pub read: Duration,
    /// Sending the whole of a request's body: 25 s, however many pieces it comes in.
    pub body: Duration,
    /// Each pause in which the client reads nothing of an answer: 25 s.
    pub write: Duration,
    /// From a request's headers to the head of its answer: 60 s.
    pub request: Duration,
    /// Finishing the open requests once the service stops: 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(15),
            body: Duration::from_secs(25),
            write: Duration::from_secs(25),
            request: Duration::from_mins(1),
            drain: Duration::from_secs(10),
        }
    }
}

/// Listens on `address`.
///
/// # Errors
/// If the address cannot be bound; the error names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: is another process using port {}?",
            address.port()
        )
    })
}

/// Serves `router` until `shutdown` is cancelled, then accepts no connection and gives open requests some time to finish:
/// see [`Limits`]. `service` is the name of the service in metrics.
///
/// Each request gets a [`RequestId`] and the peer's address ([`ConnectInfo`]) as extensions; `X-Request-Id` goes out with
/// each answer. A handler that panics is a 500, one that takes too long a 503, a body declared longer than
/// [`BODY_LIMIT`] a 413, each as problem+json; a longer body that was not declared is refused by axum's extractors.
///
/// # Errors
/// None today: the failure of one connection does not end the server.
pub async fn serve(
    service: &'static str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    serve_within(Limits::default(), service, listener, router, shutdown).await
}

/// [`serve`] with other limits than a service has by default.
///
/// # Errors
/// None today, see [`serve`].
pub async fn serve_within(
    limits: Limits,
    service: &'static str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let router = router
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(MapRequestLayer::new(current::note_route))
        .with_state(());
    let metrics = RequestMetrics::new(service);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let answering = Answering {
                    router: router.clone(),
                    peer,
                    limits,
                    metrics: metrics.clone(),
                };
                tokio::spawn(connection(stream, answering, graceful.watcher()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "failed to accept a connection; retrying in 50 ms");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            "open requests were cut off: they did not finish in the time that shutdown allows"
        );
    }
    Ok(())
}

/// Whether accepting failed because of one client, so that the next accept may succeed at once.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What answers the requests of one connection.
#[derive(Clone)]
struct Answering {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
    metrics: RequestMetrics,
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, answering: Answering, watcher: Watcher) {
    // Answers are small and complete: waiting for more bytes only adds 40 ms.
    stream.set_nodelay(true).ok();
    let Answering { peer, limits, .. } = answering;
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(limits.write));
    let service = service_fn(move |request| answer(answering.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

/// Answers one request, also when its handler panics or does not end.
async fn answer(
    answering: Answering,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let begun = Instant::now();
    let id = RequestId::from_request(&request);
    let method = request.method().clone();
    let over_tls = security_headers::came_over_tls(&request);
    let span = trace::request_span(&request, id.as_str());
    let metrics = answering.metrics.clone();
    let (mut response, route) = match rejected::reject(&request) {
        Some(problem) => (problem.request_id(id.as_str()).into_response(), None),
        None => {
            handle(answering, request, &id)
                .instrument(span.clone())
                .await
        }
    };
    let (route, status) = (route.as_ref().map(MatchedPath::as_str), response.status());
    trace::record_answer(&span, &method, route, status);
    let took = begun.elapsed();
    metrics.record(&method, route, status, took);
    // The route and not the path, which is text of the client.
    tracing::debug!(
        request_id = id.as_str(),
        %method,
        route,
        status = status.as_u16(),
        microseconds = took.as_micros(),
        "answered"
    );
    security_headers::insert(response.headers_mut(), over_tls);
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    Ok(response)
}

/// Runs the handler and answers its response and its route.
async fn handle(
    answering: Answering,
    request: Request<Incoming>,
    id: &RequestId,
) -> (Response<Body>, Option<MatchedPath>) {
    let Answering {
        mut router,
        peer,
        limits,
        ..
    } = answering;
    let mut request = request.map(|body| {
        let body = TimeoutBody::new(limits.read, body);
        Body::new(BodyDeadline::new(limits.body, body))
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(id.clone());
    let current = Current {
        id: id.clone(),
        route: OnceCell::new(),
    };
    let mut handled = pin!(CURRENT.scope(
        current,
        AssertUnwindSafe(router.call(request)).catch_unwind(),
    ));
    let response = match tokio::time::timeout(limits.request, handled.as_mut()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_panic)) => failed(Problem::internal(), id),
        Err(_elapsed) => {
            tracing::error!(
                request_id = id.as_str(),
                seconds = limits.request.as_secs(),
                "a request failed: its handler took too long; answering 503"
            );
            let detail = "The request took too long; its outcome is unknown.";
            failed(Problem::new(code::TIMEOUT, detail), id)
        }
    };
    let route = handled
        .take_value()
        .and_then(|current| current.route.into_inner());
    (response, route)
}

/// A failure of this server, which the client may retry after a second.
fn failed(problem: Problem, id: &RequestId) -> Response<Body> {
    problem
        .request_id(id.as_str())
        .retry_after(1)
        .into_response()
}
