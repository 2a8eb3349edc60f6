//! Serving HTTP/1.1: one loop for all services, with the limits that keep one client from holding up others.
//!
//! It is the hot path of every request, so it is a function around the router rather than a stack of layers, and it
//! logs nothing per request above `debug`.

mod counted;
pub mod docs;
pub mod list;
pub mod problem;
mod refusal;
mod request_id;
mod within;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use counted::{Counted, Route};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use refusal::refusal;
use request_id::REQUEST_ID;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tower::util::MapRequestLayer;
use tower_http::timeout::TimeoutBody;
use tracing::Instrument;
use within::Within;

use crate::trace;

pub use request_id::RequestId;

/// The largest request body that is read; a longer one is answered 413.
pub const BODY_LIMIT: usize = 64 * 1024;
/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long things may take before they are cut short.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sending the headers of a request, and each pause between two pieces of its body: 15 s.
    pub read: Duration,
    /// Sending the whole of a request's body: 25 s. One byte at a time keeps nobody connected.
    pub body: Duration,
    /// Each pause in which the client takes nothing of an answer: 25 s.
    pub write: Duration,
    /// From a request's headers to the head of its answer: 60 s.
    pub request: Duration,
    /// Finishing the open requests once the service is told to stop: 10 s.
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

tokio::task_local! {
    static CURRENT: Current;
}

/// The request that a task answers.
struct Current {
    id: RequestId,
    route: Route,
}

/// The id of the request that is being answered by this task, if one is.
#[must_use]
pub fn request_id() -> Option<RequestId> {
    CURRENT.try_with(|current| current.id.clone()).ok()
}

/// Shows where the route of the request that is being answered by this task is kept.
fn with_route(look: impl FnOnce(&Route)) {
    let _ = CURRENT.try_with(|current| look(&current.route));
}

/// Listens on `address`.
///
/// # Errors
/// If the address cannot be had; the error names it, and says so when somebody else holds it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: is another process using port {}?",
            address.port()
        )
    })
}

/// Serves `router` until `shutdown` is cancelled; then no connection is accepted any more, and open requests have some
/// time to finish. See [`Limits`] for the times. `service` is the name under which its requests are counted.
///
/// Each request gets a [`RequestId`] and the peer's address ([`ConnectInfo`]) as extensions; `X-Request-Id` goes out with
/// each answer. A handler that panics is a 500, one that takes too long a 503, a body declared longer than
/// [`BODY_LIMIT`] a 413, each as problem+json; a longer body that was not declared is refused by axum's extractors.
///
/// # Errors
/// None today: a connection's failure is that connection's own affair.
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
        .layer(MapRequestLayer::new(counted::remember))
        .with_state(());
    let counted = Counted::of(service);
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
                    counted: counted.clone(),
                };
                tokio::spawn(connection(stream, answering, graceful.watcher()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off: they took longer than the time left for them");
    }
    Ok(())
}

/// Whether accepting failed because of the one who called, which concerns nobody else.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What the requests of one connection are answered with.
#[derive(Clone)]
struct Answering {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
    counted: Counted,
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
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

/// Answers one request, whatever its handler does.
async fn answer(
    answering: Answering,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let begun = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let over_tls = came_over_tls(&request);
    let span = trace::request_span(&request, id.as_str());
    let counted = answering.counted.clone();
    let (mut response, route) = match refusal(&request, &id) {
        Some(refusal) => (refusal, None),
        None => {
            handle(answering, request, &id)
                .instrument(span.clone())
                .await
        }
    };
    let (route, status) = (route.as_ref().map(MatchedPath::as_str), response.status());
    trace::record_answer(&span, &method, route, status);
    let took = begun.elapsed();
    counted.note(&method, route, status, took);
    // Not the path: it is whatever somebody sent.
    tracing::debug!(
        request_id = id.as_str(),
        %method,
        route,
        status = status.as_u16(),
        microseconds = took.as_micros(),
        "answered"
    );
    protect(response.headers_mut(), over_tls);
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    Ok(response)
}

/// Lets a handler answer, and says which route it was that led there.
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
        let within = Within::new(limits.body, TimeoutBody::new(limits.read, body));
        Body::new(within)
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(id.clone());
    let current = Current {
        id: id.clone(),
        route: Route::new(),
    };
    let mut handled = pin!(CURRENT.scope(
        current,
        AssertUnwindSafe(router.call(request)).catch_unwind(),
    ));
    let response = match tokio::time::timeout(limits.request, handled.as_mut()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_panic)) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong here; the request id names it in our logs.",
            id,
        ),
        Err(_elapsed) => {
            tracing::error!(
                request_id = id.as_str(),
                "a request took too long and was given up"
            );
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "The request took too long; its outcome is unknown.",
                id,
            )
        }
    };
    let route = handled
        .take_value()
        .and_then(|current| current.route.into_inner());
    (response, route)
}

/// What every answer tells browsers, unless its handler said otherwise: take it for what it says it is, run nothing, show
/// it in no frame, tell nobody where the user came from, and come back over TLS only.
fn protect(headers: &mut HeaderMap, over_tls: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    if over_tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
}

/// Whether a proxy says that its client speaks TLS. A client that says so itself changes only its own answer.
fn came_over_tls(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// An RFC 9457 answer as plain bytes: the typed one lives in `contracts`, which this crate does not know.
fn problem(status: StatusCode, code: &str, detail: &str, id: &RequestId) -> Response<Body> {
    let body = json!({
        "type": format!("/docs/errors.md#{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "request_id": id.as_str(),
        "retryable": status.is_server_error(),
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if status.is_server_error() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
