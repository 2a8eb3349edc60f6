//! `POST /_sim/disputes` and `POST /_sim/disputes/{id}/…`: a customer disputes a charge, and the bank decides.

use hyper::StatusCode;
use serde::Deserialize;

use crate::admin::request::{charge, parse, run};
use crate::bank::disputes;
use crate::bank::disputes::Claim;
use crate::http;
use crate::http::{Request, Response};
use crate::objects::dispute::Status;
use crate::refusal::Refusal;
use crate::simulator::Simulator;
use crate::store::Store;

/// A claim; it names the charge or its intent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDispute {
    charge: Option<String>,
    payment_intent: Option<String>,
    amount: Option<i64>,
    #[serde(default = "fraudulent")]
    reason: String,
    #[serde(default = "needs_response")]
    status: Status,
}

fn fraudulent() -> String {
    "fraudulent".to_owned()
}

fn needs_response() -> Status {
    Status::NeedsResponse
}

/// Opens a dispute.
pub(crate) fn open(simulator: &Simulator, request: &Request) -> Response {
    parse(request, |new: NewDispute| {
        run(simulator, |store, call| {
            let claim = Claim {
                charge: charge(store, new.charge, new.payment_intent)?,
                amount: new.amount,
                reason: new.reason,
                status: new.status,
            };
            let id = disputes::open(store, claim, call)?;
            show(store, &id)
        })
    })
}

/// Ends or escalates a dispute as the bank does.
pub(crate) fn decide(simulator: &Simulator, id: &str, action: &str) -> Response {
    let status = match action {
        "win" => Status::Won,
        "lose" => Status::Lost,
        "prevent" => Status::Prevented,
        "close_inquiry" => Status::WarningClosed,
        "escalate" => Status::NeedsResponse,
        _ => return http::not_found(),
    };
    run(simulator, |store, call| {
        disputes::decide(store, id, status, call)?;
        show(store, id)
    })
}

fn show(store: &Store, id: &str) -> Result<Option<Response>, Refusal> {
    let dispute = store.disputes.existing(id, "dispute")?;
    Ok(Some(http::json(StatusCode::OK, &dispute.render())))
}
