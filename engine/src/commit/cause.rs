//! The cause of a transition: the request, event, job or timer that it came from.

use infra::http::RequestId;
use serde_json::Value;
use uuid::Uuid;

use crate::store::timer::Kind;

/// What a transition came from. The same cause moves one subject once; the database refuses a second time.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// `req_…`, `cmd_…`, `evt_…`, `job_…_TRY`, `op_…`, `timer_expire`, `timer_evidence_…` or `timer_authorization_…`, as it stands in the column `cause`.
    pub(crate) id: String,
    /// The `X-Request-Id` that the client sent, if it sent one. It is not the cause itself, because a client may send the
    /// same id with two commands; it is kept in the transition's data, so that each of the two ids leads to the other.
    pub(crate) client_request_id: Option<String>,
    /// Who moved the payment by hand, and why.
    operator: Option<(String, String)>,
    /// The id of the command by Kafka, as its sender chose it. It is kept in the transition's data, and its event has it.
    command: Option<String>,
}

impl Cause {
    /// The request that this task answers. Its cause is the request id of its answer and its log lines, unless the
    /// client sent that id.
    pub(crate) fn request() -> Self {
        match infra::http::request_id() {
            Some(request) if !request.is_from_client() => Self::internal(request.as_str().into()),
            request => {
                let cause = Self {
                    id: RequestId::generate().as_str().into(),
                    client_request_id: request.map(|request| request.as_str().into()),
                    operator: None,
                    command: None,
                };
                tracing::debug!(
                    cause = cause.id,
                    "the transitions of this request have this cause"
                );
                cause
            }
        }
    }

    /// One try of a job.
    pub(crate) fn job(id: Uuid, tries: i32) -> Self {
        Self::internal(format!("job_{}_{tries}", id.simple()))
    }

    /// An event of Stripe's.
    pub(crate) fn stripe_event(id: &str) -> Self {
        Self::internal(id.to_owned())
    }

    /// An operator's request, which the audit records under this id. `by` is the actor and the reason, where the history
    /// keeps them.
    pub(crate) fn operator(request: String, by: Option<(String, String)>) -> Self {
        Self {
            id: format!("op_{}", Uuid::now_v7().simple()),
            client_request_id: Some(request),
            operator: by,
            command: None,
        }
    }

    /// A command by Kafka, under the id that its sender chose. It is not the cause itself, because one sender may choose the id
    /// of another.
    pub(crate) fn command(id: &str) -> Self {
        Self {
            command: Some(id.to_owned()),
            ..Self::internal(format!("cmd_{}", Uuid::now_v7().simple()))
        }
    }

    /// The timer that ends an unfinished payment.
    pub(crate) fn expiry() -> Self {
        Self::internal("timer_expire".into())
    }

    /// The timer before a last moment, as it fired at this time in Unix seconds.
    pub(crate) fn reminder(timer: Kind, now: i64) -> Self {
        Self::internal(format!("timer_{}_{now}", timer.as_str()))
    }

    /// Adds the client's request id, the id of the command, and the operator with the reason, to the facts of a transition.
    pub(crate) fn note_in(&self, facts: &mut Value) {
        if let Some(id) = &self.client_request_id {
            facts["request_id"] = id.as_str().into();
        }
        if let Some(id) = &self.command {
            facts["command_id"] = id.as_str().into();
        }
        if let Some((actor, reason)) = &self.operator {
            facts["actor"] = actor.as_str().into();
            facts["reason"] = reason.as_str().into();
        }
    }

    const fn internal(id: String) -> Self {
        Self {
            id,
            client_request_id: None,
            operator: None,
            command: None,
        }
    }
}
