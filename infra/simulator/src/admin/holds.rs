//! `POST /_sim/fraud_warnings` and `POST /_sim/reviews`: a bank warns of fraud, and somebody asks for a review.

use hyper::StatusCode;
use serde::Deserialize;

use crate::admin::request::{charge, parse, run};
use crate::bank::holds;
use crate::http;
use crate::http::{Request, Response};
use crate::simulator::Simulator;

/// A charge, named by itself or by its intent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHold {
    charge: Option<String>,
    payment_intent: Option<String>,
    /// Of a warning: Stripe's type of fraud.
    #[serde(default = "misc")]
    fraud_type: String,
    /// Of a review: `rule` or `manual`.
    #[serde(default = "manual")]
    opened_reason: String,
}

fn misc() -> String {
    "misc".to_owned()
}

fn manual() -> String {
    "manual".to_owned()
}

/// The bank of a charge warns of fraud.
pub(crate) fn warn(simulator: &Simulator, request: &Request) -> Response {
    parse(request, |new: NewHold| {
        run(simulator, |store, call| {
            let charge = charge(store, new.charge, new.payment_intent)?;
            let id = holds::warn(store, &charge, &new.fraud_type, call)?;
            let warning = store.fraud_warnings.existing(&id, "early_fraud_warning")?;
            Ok(Some(http::json(StatusCode::OK, &warning.render())))
        })
    })
}

/// A review of a charge begins.
pub(crate) fn review(simulator: &Simulator, request: &Request) -> Response {
    parse(request, |new: NewHold| {
        run(simulator, |store, call| {
            let charge = charge(store, new.charge, new.payment_intent)?;
            let id = holds::review(store, &charge, &new.opened_reason, call)?;
            let review = store.reviews.existing(&id, "review")?;
            Ok(Some(http::json(StatusCode::OK, &review.render())))
        })
    })
}
