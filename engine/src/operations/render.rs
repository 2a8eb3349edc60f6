//! Jobs and their tries as operators read them.

use contracts::id::{JobId, PaymentId};
use contracts::operations::{JobTryView, JobView, StripeCallView};
use infra::id::AccountId;
use serde_json::{Value, json};

use crate::store::job;

/// A job as lists show it.
pub(super) fn view(row: &job::Listed) -> JobView {
    JobView {
        id: JobId::from_uuid(row.id),
        object: "job".into(),
        account_id: AccountId::from_uuid(row.account_id),
        payment_id: PaymentId::from_uuid(row.payment_id),
        kind: row.kind.clone(),
        state: row.visible_state().to_owned(),
        version: row.version,
        tries: row.tries,
        picks: row.picks,
        last_error: row.error.clone(),
        error_class: row.error_class.clone(),
        unknown: row.unknown_view(),
        due_at: row.due_at,
        created_at: row.created_at,
        finished_at: row.finished_at,
    }
}

/// What the audit keeps of a job before and after an action.
#[must_use]
pub fn audit_facts(job: &JobView) -> Value {
    json!({ "state": job.state, "tries": job.tries, "version": job.version, "due_at": job.due_at.unix_timestamp() })
}

/// A try as operators read it.
pub(super) fn try_view(kept: &job::Try) -> JobTryView {
    let calls = kept.calls.as_ref().map_or(&[][..], |calls| &calls.0);
    JobTryView {
        number: kept.number,
        started_at: kept.started_at,
        ended_at: kept.ended_at,
        worker: kept.worker.clone(),
        outcome: kept.outcome.clone(),
        error: kept.error.clone(),
        times: kept.times,
        calls: calls
            .iter()
            .map(|call| StripeCallView {
                call: call.call.clone(),
                idempotency_key: call.keyed.then(|| kept.call_key.clone()),
                status: call.status,
                request_id: call.request_id.clone(),
                replayed: call.replayed,
                duration_ms: call.duration_ms,
            })
            .collect(),
    }
}
