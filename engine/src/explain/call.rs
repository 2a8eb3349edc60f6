//! What can be said of a job that is not done: its state as people see it, and the evidence that is missing where its call
//! may or may not have been executed.

use contracts::explanation::{CallView, NextKind, NextView, UnknownView, WaitsFor};
use contracts::id::JobId;
use workflows::effect::Call;

use super::{Standing, time_of};
use crate::store::job::Listed;

impl Listed {
    /// Whether its call may or may not have been executed, and Pawl goes on to find out.
    fn is_unknown(&self) -> bool {
        self.unknown && matches!(self.state.as_str(), "queued" | "running")
    }

    /// Its state as operators see it: `unknown` where its call may or may not have been executed.
    pub(crate) fn visible_state(&self) -> &str {
        if self.is_unknown() {
            "unknown"
        } else {
            &self.state
        }
    }

    /// What is known of its call, if the outcome is unknown.
    pub(crate) fn unknown_view(&self) -> Option<UnknownView> {
        self.is_unknown().then(|| UnknownView {
            since: self.first_sent_at,
            missing: missing(&self.kind).to_owned(),
            next_probe_at: self.due_at,
        })
    }

    pub(super) fn call_view(&self) -> CallView {
        CallView {
            job_id: JobId::from_uuid(self.id),
            kind: self.kind.clone(),
            state: self.visible_state().to_owned().into(),
            tries: self.tries,
            last_error: self.error.clone(),
            due_at: self.due_at,
            unknown: self.unknown_view(),
        }
    }

    /// When it runs; a dead job does not.
    pub(super) fn next_view(&self) -> Option<NextView> {
        let sentence = match self.visible_state() {
            "unknown" => format!("Stripe is asked for the outcome of {}.", self.kind),
            "queued" | "running" => format!("A worker performs {}.", self.kind),
            _ => return None,
        };
        Some(NextView {
            kind: NextKind::Call,
            sentence,
            at: self.due_at,
        })
    }

    /// Whose turn it is while this job is not done.
    pub(super) fn standing(&self) -> Standing {
        let kind = &self.kind;
        let error = self.error.as_deref().unwrap_or("no error is recorded");
        match self.visible_state() {
            "dead" => Standing::new(
                WaitsFor::Operator,
                format!(
                    "The call {kind} failed for good and needs an operator: {error}. Its outcome counts as open, so no \
                     other call is made."
                ),
            ),
            "unknown" => Standing::new(
                WaitsFor::Stripe,
                format!(
                    "The call {kind} was sent{} and may or may not have been executed: {error}. The evidence is missing: {}. \
                     Stripe is asked again at {}; until then nothing counts as failed, and no other call is made.",
                    self.first_sent_at
                        .map(|at| format!(" at {}", time_of(at)))
                        .unwrap_or_default(),
                    missing(kind),
                    time_of(self.due_at),
                ),
            ),
            "running" => Standing::new(
                WaitsFor::Pawl,
                format!("A worker is performing the call {kind}."),
            ),
            _ if self.tries > 0 => Standing::new(
                WaitsFor::Pawl,
                format!(
                    "The call {kind} was not executed yet: {error}. It is sent again at {}.",
                    time_of(self.due_at)
                ),
            ),
            _ => Standing::new(
                WaitsFor::Pawl,
                format!("The call {kind} waits for a worker."),
            ),
        }
    }
}

/// What would show the outcome of a call.
fn missing(kind: &str) -> &'static str {
    let call = Call::ALL.iter().find(|call| call.as_str() == kind);
    match call {
        Some(Call::CreateIntent) => {
            "Stripe's answer to the same idempotency key, or an intent whose metadata names the payment"
        }
        Some(Call::ConfirmIntent) => {
            "Stripe's answer to the same idempotency key, or an intent that has another status or a failure that it did not \
             show before"
        }
        Some(Call::CaptureIntent) => {
            "Stripe's answer to the same idempotency key, or an intent that shows the captured sum"
        }
        Some(Call::CancelIntent) => {
            "Stripe's answer to the same idempotency key, or an intent that has ended"
        }
        Some(Call::CreateRefund) => {
            "Stripe's answer to the same idempotency key, or a refund whose metadata names ours"
        }
        Some(Call::UpdateDispute) => {
            "Stripe's answer to the same idempotency key, or a dispute that shows the evidence"
        }
        Some(Call::CloseDispute) => {
            "Stripe's answer to the same idempotency key, or a dispute that has ended"
        }
        None => "Stripe's answer",
    }
}
