//! The request that a task answers: its id and its route.

use std::cell::OnceCell;

use axum::extract::MatchedPath;

use super::RequestId;

tokio::task_local! {
    pub(super) static CURRENT: Current;
}

/// The request that this task answers.
pub(super) struct Current {
    pub(super) id: RequestId,
    /// The pattern of the route that the request matches, once the router has found it.
    pub(super) route: OnceCell<MatchedPath>,
}

/// The id of the request that this task answers, if it answers one.
#[must_use]
pub fn request_id() -> Option<RequestId> {
    CURRENT.try_with(|current| current.id.clone()).ok()
}

/// Notes the route that a request matches. It is a layer inside the router, where the route is known.
pub(super) fn note_route(request: axum::extract::Request) -> axum::extract::Request {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        let _ = CURRENT.try_with(|current| current.route.set(path.clone()));
    }
    request
}
