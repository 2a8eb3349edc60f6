//! The explanation of a dispute.

use std::collections::BTreeMap;

use contracts::explanation::{ActionView, ExplanationView, WaitsFor};
use contracts::id::DisputeId;
use time::OffsetDateTime;
use workflows::dispute::{Dispute, Funds, Status};
use workflows::edges::Machine;
use workflows::stream;
use workflows::stream::{Event, EvidenceRequest};

use super::{Facts, Standing, time_of, words_of};
use crate::store::job;

pub(super) fn explain(facts: &Facts, dispute: &Dispute) -> ExplanationView {
    let jobs: Vec<&job::Listed> = facts
        .jobs
        .iter()
        .filter(|job| job.subject == dispute.id || job.kind == "resync")
        .collect();
    let call = jobs.iter().find(|job| job.subject == dispute.id);
    let standing = match (call, dispute.open_call) {
        (Some(job), _) => job.standing(),
        (None, Some(call)) => Standing::new(
            WaitsFor::Operator,
            format!("The call {call} is open and has no job. Only an operator can close it."),
        ),
        (None, None) => at_status(dispute),
    };
    ExplanationView {
        subject: DisputeId::from_uuid(dispute.id).to_string(),
        client_can: client_can(facts, dispute),
        ..facts.explanation(Machine::Dispute, dispute.status.as_str(), standing, &jobs)
    }
}

/// Until when evidence is wanted, as part of a sentence.
pub(super) fn due(dispute: &Dispute) -> String {
    let due = dispute.due_by.filter(|_| dispute.status.needs_response());
    let due = due.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    due.map(|at| format!(", evidence is due by {}", time_of(at)))
        .unwrap_or_default()
}

/// Whose turn it is in a status without an open call.
fn at_status(dispute: &Dispute) -> Standing {
    let money = match dispute.funds {
        None => "No money was withdrawn.",
        Some(Funds::Withdrawn) => "The money is withdrawn from the balance.",
        Some(Funds::Reinstated) => "The money was given back to the balance.",
    };
    let (waits_for, sentence) = match dispute.status {
        Status::WarningNeedsResponse => (
            WaitsFor::Client,
            "The bank inquires: answer with evidence, or refund the payment",
        ),
        Status::NeedsResponse => (
            WaitsFor::Client,
            "The customer disputes the charge: answer with evidence, or accept it",
        ),
        Status::WarningUnderReview | Status::UnderReview => (
            WaitsFor::Bank,
            "The bank reads the evidence, which may take months. Stripe reports its decision",
        ),
        Status::WarningClosed => (
            WaitsFor::Nothing,
            "The inquiry ended without a dispute. It is at rest",
        ),
        Status::Won => (
            WaitsFor::Nothing,
            "The bank decided for the merchant. It is at rest",
        ),
        Status::Lost => (
            WaitsFor::Nothing,
            "The bank gave the money to the customer, or the dispute was accepted. It is at rest",
        ),
        Status::Prevented => (
            WaitsFor::Nothing,
            "It was resolved before the bank made a dispute of it. It is at rest",
        ),
    };
    let refused = dispute
        .error
        .as_ref()
        .filter(|_| waits_for == WaitsFor::Client);
    let refused = refused.map(|error| {
        let words = words_of(error);
        format!(" Stripe refused what was asked last ({words}).")
    });
    Standing::new(
        waits_for,
        format!(
            "{sentence}{}. {money}{}",
            due(dispute),
            refused.unwrap_or_default()
        ),
    )
}

/// The commands that `step` would accept now.
fn client_can(facts: &Facts, dispute: &Dispute) -> Vec<ActionView> {
    let id = DisputeId::from_uuid(dispute.id);
    let evidence = Event::EvidenceRequested(EvidenceRequest {
        dispute: dispute.id,
        evidence: BTreeMap::new(),
        submit: true,
    });
    let accept = Event::AcceptRequested {
        dispute: dispute.id,
    };
    let commands = [
        ("evidence", evidence, "Sends evidence to Stripe."),
        ("accept", accept, "Gives the dispute up; it is lost then."),
    ];
    let allowed = commands
        .into_iter()
        .filter(|(_, event, _)| stream::step(&facts.record.stream, event).is_ok());
    allowed
        .map(|(name, _, sentence)| ActionView {
            name: name.into(),
            request: format!("POST /api/v1/disputes/{id}/{name}"),
            sentence: sentence.to_owned(),
        })
        .collect()
}
