//! Listening, connections, and the dispatch of requests by the first part of their path.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::faults::Faults;
use crate::http::{Client, Dropped, Request, Response};
use crate::objects::endpoint::Endpoint;
use crate::routes::idempotency::Keys;
use crate::routes::v1;
use crate::simulator::Simulator;
use crate::state_file::State;
use crate::store::Rules;
use crate::webhooks::Webhooks;
use crate::{admin, http, shop, state_file};

/// More than Stripe's largest request.
const BODY_LIMIT: usize = 1 << 20;
/// How long requests may take to end after the shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is cancelled, then waits for running requests and writes the state file.
///
/// # Errors
/// A state file that cannot be read, an endpoint with an invalid address, or a listener without an address.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let simulator = start(config, &format!("http://{address}"))?;
    let writer = tokio::spawn(state_file::write_periodically(
        Arc::clone(&simulator),
        shutdown.clone(),
    ));
    tracing::info!(%address, "the Stripe simulator is listening");
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(
                    Arc::clone(&simulator),
                    stream,
                    shutdown.clone(),
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection; retrying in 50 ms");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    let _ = tokio::time::timeout(GRACE, connections.wait()).await;
    writer
        .await
        .context("the writer of the state file panicked")?;
    // After the last request, so that the file contains everything that was answered.
    match &simulator.config.state_file {
        Some(path) => state_file::save(&simulator, path),
        None => Ok(()),
    }
}

/// A token that is cancelled at SIGTERM or Ctrl-C.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(token)
}

fn start(config: Config, address: &str) -> anyhow::Result<Arc<Simulator>> {
    let State {
        mut store,
        keys: saved,
    } = match &config.state_file {
        Some(path) => state_file::load(path)?,
        None => State::default(),
    };
    let public_url = config.public_url.as_deref().unwrap_or(address);
    let faults = Arc::new(Faults::new(config.seed));
    store.rules = Rules {
        public_url: public_url.trim_end_matches('/').to_owned(),
        settle_after: config.settle_after,
        keep_intents: config.keep_intents,
        keep_events: config.keep_events,
    };
    for known in &config.endpoints {
        let (secret, enabled) = (known.secret.clone(), known.enabled_events.clone());
        let endpoint =
            Endpoint::new(&known.url, Some(secret), enabled, store.now()).map_err(|refusal| {
                anyhow::anyhow!("webhook endpoint {}: {}", known.url, refusal.body())
            })?;
        store.register(endpoint);
    }
    store.faults = Arc::clone(&faults);
    let mut keys = Keys::new(config.keep_keys);
    keys.restore(saved);
    let client = client();
    let webhooks = Webhooks::new(
        client.clone(),
        Arc::clone(&faults),
        config.webhook_retries.clone(),
        config.webhook_timeout,
        config.webhook_concurrency,
    );
    let unfinished = state_file::find_unfinished(&mut store);
    let simulator = Arc::new_cyclic(|itself| Simulator {
        itself: itself.clone(),
        config,
        store: Mutex::new(store),
        keys: Mutex::new(keys),
        faults,
        webhooks,
        client,
        operations: 0.into(),
    });
    simulator.execute(unfinished);
    Ok(simulator)
}

fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector)
}

/// Serves one connection. An error of the service closes it without an answer: this is how answers are dropped.
async fn serve_connection(
    simulator: Arc<Simulator>,
    stream: TcpStream,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY; the connection is served without it");
    }
    let service = service_fn(|request| respond(&simulator, request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(
    simulator: &Arc<Simulator>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Dropped> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Ok(http::fault(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too large or broke off.",
        ));
    };
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let first = request
        .segments()
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    match first.as_str() {
        "v1" => v1::answer(simulator, &request).await,
        "_sim" => Ok(admin::answer(simulator, &request)),
        "shop" => Ok(shop::answer(simulator, &request).await),
        "health" => Ok(http::json(
            StatusCode::OK,
            &serde_json::json!({"status": "ok"}),
        )),
        "" if request.method == Method::GET => Ok(http::redirect("/shop")),
        _ => Ok(http::not_found()),
    }
}
