//! `/v1/disputes`.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;

use crate::bank::disputes;
use crate::form::{Form, check_length};
use crate::objects::dispute::{Dispute, FILES, Status, TEXTS};
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;
use crate::timers::Task;

/// Parameters of `GET /v1/disputes/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/disputes`.
pub(crate) const LIST: &[&str] = &[
    "charge",
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "ending_before",
    "expand[]",
    "limit",
    "payment_intent",
    "starting_after",
];
/// Parameters of `POST /v1/disputes/{id}`.
pub(crate) const UPDATE: &[&str] = &["evidence[*]", "expand[]", "metadata[*]", "submit"];
/// Parameters of `POST /v1/disputes/{id}/close`.
pub(crate) const CLOSE: &[&str] = &["expand[]"];

/// Stripe's limits of one text, and of all texts together.
const TEXT_LENGTH: usize = 20_000;
const EVIDENCE_LENGTH: usize = 150_000;

/// `GET /v1/disputes/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let dispute = store.disputes.existing(call.id, "dispute")?;
    Ok(dispute.render())
}

/// `GET /v1/disputes`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let charge = call.form.text("charge");
    let intent = call.form.text("payment_intent");
    let disputes = store.disputes.iter().rev().filter(|dispute| {
        charge.is_none_or(|wanted| wanted == dispute.charge)
            && intent.is_none_or(|wanted| wanted == dispute.payment_intent)
    });
    let exists = |id: &str| store.disputes.find(id).is_some();
    let page = table::select(disputes, call.form, exists)?;
    Ok(page.render("/v1/disputes", Dispute::render))
}

/// `POST /v1/disputes/{id}`: adds evidence, and submits it unless `submit` is false.
pub(crate) fn update(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    // Stripe submits unless the request says otherwise.
    let submits = !call.form.has("submit") || call.form.flag("submit")?;
    let dispute = store.disputes.existing_mut(call.id, "dispute")?;
    if dispute.status.is_final() {
        let message = format!("The dispute {} is already closed.", dispute.id);
        return Err(Refusal::state("dispute_closed", message));
    }
    let metadata = call.form.metadata(dispute.metadata.clone())?;
    let evidence = evidence(call.form, dispute.evidence.clone())?;
    let previous = json!({"evidence": dispute.evidence, "status": dispute.status});
    dispute.metadata = metadata;
    dispute.evidence = evidence;
    if submits {
        dispute.submissions += 1;
        dispute.status = match dispute.status {
            Status::WarningNeedsResponse => Status::WarningUnderReview,
            Status::NeedsResponse => Status::UnderReview,
            other => other,
        };
    }
    let is_asked = dispute.asked_decision().is_some();
    let shown = dispute.render();
    store.emit("charge.dispute.updated", &shown, Some(previous), call);
    if is_asked {
        store.schedule(Task::DecideDispute(call.id.to_owned()));
    }
    Ok(shown)
}

/// The evidence with what the request adds; an empty value removes a field.
fn evidence(
    form: &Form,
    mut evidence: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    for (name, text) in form.pairs("evidence") {
        let at = format!("evidence[{name}]");
        if FILES.contains(&name) {
            if !text.is_empty() && !text.starts_with("file_") {
                return Err(Refusal::missing("file", text, &at));
            }
        } else if !TEXTS.contains(&name) {
            let message = format!("Received unknown parameter: {at}");
            return Err(Refusal::parameter("parameter_unknown", &at, message));
        }
        check_length(&at, text, TEXT_LENGTH)?;
        if text.is_empty() {
            evidence.remove(name);
        } else {
            evidence.insert(name.to_owned(), text.to_owned());
        }
    }
    let length: usize = evidence.values().map(|text| text.chars().count()).sum();
    if length > EVIDENCE_LENGTH {
        let message = format!(
            "The evidence has {length} characters; all fields together may have {EVIDENCE_LENGTH}."
        );
        return Err(Refusal::invalid(message).at("evidence"));
    }
    Ok(evidence)
}

/// `POST /v1/disputes/{id}/close`: the merchant accepts the dispute, which is lost.
pub(crate) fn close(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    disputes::decide(store, call.id, Status::Lost, call)?;
    let dispute = store.disputes.existing(call.id, "dispute")?;
    Ok(dispute.render())
}
