//! The explanation of a refund.

use contracts::explanation::{ExplanationView, WaitsFor};
use contracts::id::RefundId;
use workflows::edges::Machine;
use workflows::refund::Status;

use super::{Facts, Standing, words_of};
use crate::record::RefundRecord;
use crate::store::job;

pub(super) fn explain(facts: &Facts, record: &RefundRecord) -> ExplanationView {
    let refund = &record.refund;
    let jobs: Vec<&job::Listed> = facts
        .jobs
        .iter()
        .filter(|job| job.subject == refund.id || job.kind == "resync")
        .collect();
    let call = jobs.iter().find(|job| job.subject == refund.id);
    let standing = match call {
        Some(job) => job.standing(),
        None => at_status(record),
    };
    ExplanationView {
        subject: RefundId::from_uuid(refund.id).to_string(),
        ..facts.explanation(Machine::Refund, refund.status.as_str(), standing, &jobs)
    }
}

/// Whose turn it is in a status without an open call.
fn at_status(record: &RefundRecord) -> Standing {
    let refund = &record.refund;
    let error = refund.error.as_ref().map(words_of).unwrap_or_default();
    match refund.status {
        Status::LocalRequested => Standing::new(
            WaitsFor::Operator,
            "Its amount is reserved, and the call that makes it has no job. Only an operator can end it.",
        ),
        Status::Pending => Standing::new(
            WaitsFor::Bank,
            "Stripe has made it, and the bank has not taken it yet. Its amount stays reserved until Stripe reports its end.",
        ),
        Status::RequiresAction => Standing::new(
            WaitsFor::Customer,
            "The customer must act to receive the money: Stripe has asked them by e-mail. Its amount stays reserved.",
        ),
        Status::Succeeded => Standing::new(
            WaitsFor::Nothing,
            "The money is on its way back to the customer. It is at rest; a bank may still return it within days, and then \
             it fails.",
        ),
        Status::Failed => Standing::new(
            WaitsFor::Nothing,
            format!(
                "The bank sent the money back to the merchant ({error}). It is at rest; refund in another way."
            ),
        ),
        Status::Canceled => Standing::new(
            WaitsFor::Nothing,
            "It was withdrawn before the money moved. It is at rest, and its amount can be refunded again.",
        ),
        Status::LocalRejected => Standing::new(
            WaitsFor::Nothing,
            format!(
                "Stripe refused to make it ({error}). It is at rest, and its amount can be refunded again."
            ),
        ),
    }
}
