//! The shapes of good answers. Bodies are the engine's bytes, untouched.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use contracts::id::PaymentId;
use engine::{Answer, Engine, View};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::idempotency::IDEMPOTENT_REPLAYED;
use crate::payments::PATH;
use crate::prefer::{PREFERENCE_APPLIED, Wait};

/// A JSON answer. Payments are nobody else's business, so nothing on the way may keep one.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to what was made durable: 201 or 200, where the thing is found, and whether it was said before.
pub(crate) fn accepted(answer: Answer, location: String) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = json(status, answer.body);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, text(location));
    if answer.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer about a payment, after the wait that the client asked for.
///
/// The payment is durable already, so a wait that fails changes nothing: the client gets what it would have got at once.
pub(crate) async fn settled(
    engine: &Engine,
    account: Uuid,
    mut answer: Answer,
    wait: Option<Wait>,
) -> Response {
    let location = format!("{PATH}/{}", PaymentId::from_uuid(answer.payment));
    let Some(wait) = wait else {
        return accepted(answer, location);
    };
    let deadline = Instant::now() + wait.duration();
    let waited = engine
        .wait(account, answer.payment, answer.version, deadline)
        .await;
    if let Ok(view) = waited
        && view.version > answer.version
    {
        answer.body = view.body;
    }
    let mut response = accepted(answer, location);
    response
        .headers_mut()
        .insert(PREFERENCE_APPLIED, wait.applied());
    response
}

/// A view or a page of views.
pub(crate) fn body(view: &impl Serialize) -> Response {
    // Our own types, whose keys are strings: there is always JSON of them.
    json(
        StatusCode::OK,
        serde_json::to_vec(view).unwrap_or_default().into(),
    )
}

/// A payment, with its version as the entity tag: 304 when the client has this version.
pub(crate) fn view(view: View, known: Option<&HeaderValue>) -> Response {
    let tag = text(format!("\"{}\"", view.version));
    let known = known == Some(&tag);
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, view.body)
    };
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// A header's value made of digits and ids.
pub(crate) fn text(value: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(value))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}
