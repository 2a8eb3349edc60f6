//! `GET /_sim/clock` and `POST /_sim/clock/advance`: the simulator's clock, which can be set ahead.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::request::parse;
use crate::bank::passage;
use crate::http;
use crate::http::{Request, Response};
use crate::simulator::Simulator;
use crate::store::Store;

/// How far the clock can be ahead of the machine's: ten years.
const MAX_AHEAD_SECONDS: i64 = 10 * 365 * 24 * 3600;

/// The body of an advance.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

/// Answers what time it is.
pub(crate) fn show(simulator: &Simulator) -> Response {
    answer(&simulator.store.lock())
}

/// Sets the clock ahead. What is due by then has happened, and its events are being sent, when the answer comes.
pub(crate) fn advance(simulator: &Simulator, request: &Request) -> Response {
    parse(request, |advance: Advance| {
        simulator.operate(|store| {
            let most = MAX_AHEAD_SECONDS - store.ahead() / 1000;
            if !(1..=most).contains(&advance.seconds) {
                let message = format!(
                    "seconds must be between 1 and {most}: the clock only goes ahead, and by ten years in all"
                );
                return http::fault(StatusCode::BAD_REQUEST, &message);
            }
            passage::advance(store, advance.seconds);
            answer(store)
        })
    })
}

fn answer(store: &Store) -> Response {
    let clock = json!({"now": store.now(), "ahead_seconds": store.ahead() / 1000});
    http::json(StatusCode::OK, &clock)
}
