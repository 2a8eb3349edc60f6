//! The requests to Stripe that a task makes, for the tries of its job.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The most requests kept of one try: a job makes a few, and a long listing of Stripe's one for each page.
const MOST: usize = 8;

tokio::task_local! {
    static CALLS: RefCell<Calls>;
}

struct Calls {
    begun: Instant,
    made: Vec<StripeCall>,
}

/// A request to Stripe, as a try of a job keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeCall {
    /// What it asked for: `confirm_intent`, `retrieve_intent`.
    pub call: String,
    /// Whether it changed something, and so carried the job's idempotency key.
    pub keyed: bool,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Stripe's `Request-Id`.
    pub request_id: Option<String>,
    /// Stripe answered with what it saved of an earlier request with the same key.
    pub replayed: bool,
    /// From the beginning of the try until it was sent, in milliseconds.
    pub after_ms: u64,
    /// From sending it to the end of the answer, in milliseconds.
    pub duration_ms: u64,
}

/// Does the work, and returns also the first requests to Stripe that it made.
pub(crate) async fn recorded<T>(work: impl Future<Output = T>) -> (T, Vec<StripeCall>) {
    let calls = Calls {
        begun: Instant::now(),
        made: Vec::new(),
    };
    let done = async {
        let result = work.await;
        let made = CALLS.with(|calls| std::mem::take(&mut calls.borrow_mut().made));
        (result, made)
    };
    CALLS.scope(RefCell::new(calls), done).await
}

/// Adds a request that has just been answered to those of the present task. Outside [`recorded`] nobody asks for them.
pub(super) fn add(
    call: &str,
    keyed: bool,
    sent: Instant,
    answer: (Option<u16>, Option<&str>, bool),
) {
    let (status, request_id, replayed) = answer;
    let _outside = CALLS.try_with(|calls| {
        let mut calls = calls.borrow_mut();
        if calls.made.len() < MOST {
            let after = sent.saturating_duration_since(calls.begun);
            calls.made.push(StripeCall {
                call: call.to_owned(),
                keyed,
                status,
                request_id: request_id.map(str::to_owned),
                replayed,
                after_ms: milliseconds(after),
                duration_ms: milliseconds(sent.elapsed()),
            });
        }
    });
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
