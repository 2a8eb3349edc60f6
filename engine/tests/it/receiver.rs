//! A merchant's receiver: it verifies with the library that Standard Webhooks gives to merchants, and answers as told.
#![allow(
    dead_code,
    reason = "two test binaries share this file, and neither uses all of it"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How it answers a call.
#[derive(Clone)]
pub(crate) enum Answer {
    Status(u16, String),
    Redirect(String),
    /// With this `Retry-After`.
    Later(u16, String),
    /// Only when the test says so.
    Held(u16, Arc<Notify>),
    Never,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, String::new())
    }
}

/// A call that came in.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

impl Got {
    /// Whether a merchant who has this secret believes it.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).unwrap();
        webhook.verify(&self.raw, &self.headers).is_ok()
    }

    pub(crate) fn sequence(&self) -> i64 {
        self.body["data"]["sequence"].as_i64().unwrap()
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    pub(crate) fn payment(&self) -> &str {
        self.body["data"]["payment_id"].as_str().unwrap()
    }
}

#[derive(Default)]
struct Seen {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    got: Vec<Got>,
    at_once: usize,
    most_at_once: usize,
}

/// See the module. It ends with this value.
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    _stop: DropGuard,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/hooks", post(receive))
            .with_state(Arc::clone(&seen));
        let stopped = stop.clone().cancelled_owned();
        // A thread of its own: a test that blocks its runtime for a moment must not look like a slow merchant.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    () = stopped => {}
                }
            });
        });
        Self {
            url,
            seen,
            _stop: stop.drop_guard(),
        }
    }

    /// The answers to the next calls; those after them are answered 200, or as `always` says.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.seen.lock().unwrap().script.extend(answers);
    }

    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.seen.lock().unwrap().always = answer;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.seen.lock().unwrap().got.clone()
    }

    /// How many calls it had open at the same moment.
    pub(crate) fn most_at_once(&self) -> usize {
        self.seen.lock().unwrap().most_at_once
    }
}

async fn receive(State(seen): State<Arc<Mutex<Seen>>>, headers: HeaderMap, raw: Bytes) -> Response {
    let answer = {
        let mut seen = seen.lock().unwrap();
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(&raw).unwrap();
        seen.got.push(Got {
            id,
            headers,
            raw,
            body,
        });
        seen.at_once += 1;
        seen.most_at_once = seen.most_at_once.max(seen.at_once);
        let next = seen.script.pop_front();
        next.or_else(|| seen.always.clone())
            .unwrap_or(Answer::status(200))
    };
    // Dropped when the caller goes away, too.
    let _open = Open(seen);
    match answer {
        Answer::Status(status, text) => {
            (StatusCode::from_u16(status).unwrap(), text).into_response()
        }
        Answer::Redirect(to) => {
            let location = [(header::LOCATION, HeaderValue::try_from(to).unwrap())];
            (StatusCode::TEMPORARY_REDIRECT, location).into_response()
        }
        Answer::Later(status, when) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::RETRY_AFTER, when)]).into_response()
        }
        Answer::Held(status, release) => {
            release.notified().await;
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

struct Open(Arc<Mutex<Seen>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().at_once -= 1;
    }
}
