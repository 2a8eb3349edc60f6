//! HTTP: the server that all services use, and the parts of an API that are the same in each of them.
//!
//! The server speaks HTTP/1.1 and limits what one client can take from others. Every request passes it, so it is one
//! function around the router rather than a stack of layers, and it logs nothing per request above `debug`.

pub mod body;
mod body_deadline;
pub mod code;
mod current;
pub mod docs;
mod idle;
pub mod list;
mod long_body;
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
use axum::http::{HeaderValue, Request, Response, header};
use axum::response::IntoResponse;
use body_deadline::BodyDeadline;
use current::{CURRENT, Current};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use idle::{Answered, Patient, Phase};
use problem::Problem;
use request_id::REQUEST_ID;
use request_metrics::RequestMetrics;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tower::util::MapRequestLayer;
use tower_http::timeout::TimeoutBody;
use tracing::Instrument;

use crate::{shutdown, trace};

pub use body::BODY_LIMIT;
pub use current::request_id;
pub use long_body::{LONG_BODY_LIMIT, LongBodies, LongBody, LongBodyError};
pub use request_error::RequestError;
pub use request_id::RequestId;

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often it is looked whether all connections have been closed by their clients.
const NOTICED_EVERY: Duration = Duration::from_millis(20);

/// The limits of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sending the headers of a request, and each pause between two pieces of its body: 15 s.
    pub read: Duration,
    /// Between two requests of a connection that is kept alive: 75 s, which is longer than proxies and clients keep an idle
    /// connection. So it is they who close it, and no request meets a connection that is being closed.
    pub idle: Duration,
    /// Sending the whole of a request's body: 25 s, however many pieces it comes in.
    pub body: Duration,
    /// Each pause in which the client reads nothing of an answer: 25 s.
    pub write: Duration,
    /// From a request's headers to the head of its answer: 60 s.
    pub request: Duration,
    /// Once the service is to stop, going on while readiness says so and each answer closes its connection: see
    /// [`shutdown::notice`].
    pub notice: Duration,
    /// Finishing the open requests after that: 10 s.
    pub drain: Duration,
    /// Whether the bodies of a path may have [`LONG_BODY_LIMIT`] bytes: its handler reads them with [`LongBodies`]. None by
    /// default.
    pub long_bodies: fn(&str) -> bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(25),
            write: Duration::from_secs(25),
            request: Duration::from_mins(1),
            notice: shutdown::notice(),
            drain: Duration::from_secs(10),
            long_bodies: |_| false,
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

/// Serves `router` until `shutdown` is cancelled and connections had time to be closed by their clients, then accepts no
/// connection and gives open requests some time to finish: see [`Limits`]. `service` is the name of the service in metrics.
///
/// Each request gets a [`RequestId`] and the peer's address ([`ConnectInfo`]) as extensions; `X-Request-Id` goes out with
/// each answer. A handler that panics is a 500, one that takes too long a 503, a body declared longer than
/// [`BODY_LIMIT`] (or [`Limits::long_bodies`]) a 413, each as problem+json; a longer body that was not declared is refused by axum's extractors.
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
    let answering = Service {
        router,
        limits,
        metrics: RequestMetrics::new(service),
        stopping: shutdown,
    };
    let graceful = GracefulShutdown::new();
    accept(&listener, &answering, &graceful).await;
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

/// Accepts connections until the service may stop.
async fn accept(listener: &TcpListener, service: &Service, graceful: &GracefulShutdown) {
    let mut stop = pin!(stop(&service.stopping, service.limits.notice, graceful));
    loop {
        let accepted = tokio::select! {
            () = stop.as_mut() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let answering = Answering {
                    service: service.clone(),
                    peer,
                    phase: Phase::new(),
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
}

/// Ends when the service may stop accepting connections: after the notice, or when no connection is open to notice it.
async fn stop(shutdown: &CancellationToken, notice: Duration, graceful: &GracefulShutdown) {
    shutdown.cancelled().await;
    let closed = async {
        while graceful.count() > 0 {
            tokio::time::sleep(NOTICED_EVERY).await;
        }
    };
    tokio::time::timeout(notice, closed).await.ok();
}

/// Whether accepting failed because of one client, so that the next accept may succeed at once.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// The extension of requests that come while the service is about to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopping;

/// What answers all requests.
#[derive(Clone)]
struct Service {
    router: Router,
    limits: Limits,
    metrics: RequestMetrics,
    stopping: CancellationToken,
}

/// What answers the requests of one connection.
#[derive(Clone)]
struct Answering {
    service: Service,
    peer: SocketAddr,
    phase: Phase,
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, answering: Answering, watcher: Watcher) {
    // Answers are small and complete: waiting for more bytes only adds 40 ms.
    stream.set_nodelay(true).ok();
    let (peer, limits) = (answering.peer, answering.service.limits);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let stream = Patient::new(stream, answering.phase.clone(), limits.idle, limits.read);
    let service = service_fn(move |request| answer(answering.clone(), request));
    // hyper's own time-out for headers also ends idle connections.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

/// Answers one request, also when its handler panics or does not end.
async fn answer(
    answering: Answering,
    request: Request<Incoming>,
) -> Result<Response<Answered<Body>>, Infallible> {
    let (begun, busy) = (Instant::now(), answering.phase.busy());
    let stopping = answering.service.stopping.clone();
    let id = RequestId::from_request(&request);
    let method = request.method().clone();
    let over_tls = security_headers::came_over_tls(&request);
    let span = trace::request_span(&request, id.as_str());
    let metrics = answering.service.metrics.clone();
    let (mut response, route) =
        match rejected::reject(&request, answering.service.limits.long_bodies) {
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
    if stopping.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| Answered { body, _busy: busy }))
}

/// Runs the handler and answers its response and its route.
async fn handle(
    answering: Answering,
    request: Request<Incoming>,
    id: &RequestId,
) -> (Response<Body>, Option<MatchedPath>) {
    let peer = answering.peer;
    let Service {
        mut router,
        limits,
        stopping,
        ..
    } = answering.service;
    let mut request = request.map(|body| {
        let body = TimeoutBody::new(limits.read, body);
        Body::new(BodyDeadline::new(limits.body, body))
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(id.clone());
    if stopping.is_cancelled() {
        request.extensions_mut().insert(Stopping);
    }
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

/// Whether the text is an absolute address: with a scheme, of whatever name, and a host.
#[must_use]
pub fn is_absolute(address: &str) -> bool {
    let uri = address.parse::<axum::http::Uri>();
    uri.is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some())
}
