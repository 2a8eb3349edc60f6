//! Why a payment, a refund or a dispute is where it is, what it waits for, and what moves it next: read from its rows, and decided by
//! the same `step` that would move it.

mod call;
mod dispute;
mod payment;
mod refund;

use contracts::explanation::{
    ActionView, CallView, EdgeView, ExplanationView, NextKind, NextView, ReachedView, WaitsFor,
};
use contracts::id::{JobId, PaymentId};
use infra::postgres;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use workflows::edges::{Machine, rules};
use workflows::stripe::StripeError;

use crate::record::{Record, RefundRecord};
use crate::store::timer::{Kind, Pending};
use crate::store::transition::Written;
use crate::store::{job, timer, transition};
use crate::{Engine, Error, store};

/// What is read about a payment to explain it, or one of its refunds or disputes.
struct Facts {
    /// The payment with its newest attempt, its refunds and its disputes.
    record: Record,
    refunds: Vec<RefundRecord>,
    /// The jobs that are not done.
    jobs: Vec<job::Listed>,
    timers: Vec<Pending>,
    /// The newest transition of what is explained.
    reached: Option<Written>,
}

/// Whose turn it is, and why, in sentences.
struct Standing {
    waits_for: WaitsFor,
    summary: String,
}

impl Standing {
    fn new(waits_for: WaitsFor, summary: impl Into<String>) -> Self {
        Self {
            waits_for,
            summary: summary.into(),
        }
    }
}

impl Engine {
    /// Explains a payment of the account, as it is committed at this moment.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn explain(&self, account: Uuid, id: Uuid) -> Result<ExplanationView, Error> {
        let facts = self.facts(account, id, id).await?;
        Ok(payment::explain(&facts))
    }

    /// Explains a refund of the account, as it is committed at this moment.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn explain_refund(&self, account: Uuid, id: Uuid) -> Result<ExplanationView, Error> {
        let refund = self.refund_record(account, id).await?;
        let payment = refund.ok_or(Error::NotFound)?.payment;
        let facts = self.facts(account, payment, id).await?;
        let refund = facts.refunds.iter().find(|it| it.refund.id == id);
        Ok(refund::explain(&facts, refund.ok_or(Error::NotFound)?))
    }

    /// Explains a dispute of the account, as it is committed at this moment.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn explain_dispute(&self, account: Uuid, id: Uuid) -> Result<ExplanationView, Error> {
        let found = self.dispute(account, id).await?;
        let payment = found.ok_or(Error::NotFound)?.payment;
        let facts = self.facts(account, payment, id).await?;
        let mut disputes = facts.record.stream.disputes.iter();
        let dispute = disputes.find(|it| it.id == id);
        Ok(dispute::explain(&facts, dispute.ok_or(Error::NotFound)?))
    }

    async fn facts(&self, account: Uuid, payment: Uuid, subject: Uuid) -> Result<Facts, Error> {
        let read = async {
            let mut connection = self.inner.pool.acquire().await?;
            let found = store::payment::read(&mut connection, &[payment]).await?;
            let Some(mut record) = found.into_iter().find(|it| it.account == account) else {
                return Ok(None);
            };
            let refunds = store::refund::list(&mut connection, &[payment]).await?;
            record.stream.refunds = refunds.iter().map(|it| it.refund.clone()).collect();
            let disputes = store::dispute::of_payment(&mut connection, payment).await?;
            record.stream.disputes = disputes.into_iter().map(|it| it.dispute).collect();
            let disputes = record.stream.disputes.iter().map(|it| it.id);
            let ids: Vec<Uuid> = refunds
                .iter()
                .map(|it| it.refund.id)
                .chain(disputes)
                .collect();
            Ok(Some(Facts {
                record,
                refunds,
                jobs: {
                    let open = job::open_ids(&mut connection, payment, &ids).await?;
                    job::rows(&mut connection, &open).await?
                },
                timers: timer::of(&mut connection, payment).await?,
                reached: transition::newest_of(&mut connection, payment, subject).await?,
            }))
        };
        // On the heap: a record is large.
        let facts = postgres::within(Box::pin(read)).await?;
        facts.ok_or(Error::NotFound)
    }
}

impl Facts {
    fn payment_id(&self) -> PaymentId {
        PaymentId::from_uuid(self.record.stream.payment.id)
    }

    /// The explanation, where the parts that differ between payments and refunds are given.
    fn explanation(
        &self,
        machine: Machine,
        status: &'static str,
        standing: Standing,
        jobs: &[&job::Listed],
    ) -> ExplanationView {
        let calls: Vec<CallView> = jobs.iter().map(|job| job.call_view()).collect();
        let mut operator_can: Vec<ActionView> = jobs.iter().filter_map(|it| retry(it)).collect();
        operator_can.extend(self.operator_can());
        ExplanationView {
            object: "explanation".into(),
            payment_id: self.payment_id(),
            subject: String::new(),
            status: status.into(),
            at_rest: standing.waits_for == WaitsFor::Nothing,
            waits_for: standing.waits_for,
            summary: standing.summary,
            reached: self.reached.as_ref().map(reached),
            next: self.next(jobs),
            calls,
            client_can: Vec::new(),
            operator_can,
            edges: edges(machine, status),
        }
    }

    /// What happens by itself: the jobs, and the timers of the payment.
    fn next(&self, jobs: &[&job::Listed]) -> Vec<NextView> {
        let due = jobs.iter().filter_map(|job| job.next_view());
        let timers = self.timers.iter().map(|timer| {
            let (kind, sentence) = match timer.kind {
                Kind::Expire => {
                    let sentence = "The payment is canceled, unless it was finished before.";
                    (NextKind::Expiry, sentence)
                }
                Kind::Evidence => {
                    let sentence = "The merchant is reminded that evidence of a dispute is due.";
                    (NextKind::EvidenceReminder, sentence)
                }
                Kind::Authorization => {
                    let sentence = "What the payment's `authorization_expiry` says happens: its merchant is told, and it is captured or canceled.";
                    (NextKind::AuthorizationReminder, sentence)
                }
                Kind::Check => {
                    let sentence =
                        "The payment, its refunds and its disputes are compared with Stripe's objects.";
                    (NextKind::Check, sentence)
                }
            };
            NextView {
                kind,
                sentence: sentence.to_owned(),
                at: timer.due_at,
            }
        });
        let mut next: Vec<NextView> = due.chain(timers).collect();
        next.sort_by_key(|it| it.at);
        next
    }

    fn operator_can(&self) -> Vec<ActionView> {
        let id = self.payment_id();
        let mut actions = Vec::new();
        if self.record.stream.payment.intent_id.is_some() {
            actions.push(ActionView {
                name: "resync".into(),
                request: format!("POST /api/v1/ops/payments/{id}/resync"),
                sentence: "Reads Stripe's objects now and corrects what differs.".to_owned(),
            });
        }
        actions.push(ActionView {
            name: "force".into(),
            request: format!("POST /api/v1/ops/payments/{id}/force"),
            sentence: "Moves the payment to a status by hand, with a reason; moves no money."
                .to_owned(),
        });
        actions
    }
}

fn retry(job: &job::Listed) -> Option<ActionView> {
    (job.state == "dead").then(|| ActionView {
        name: "retry_job".into(),
        request: format!("POST /api/v1/ops/jobs/{}/retry", JobId::from_uuid(job.id)),
        sentence: format!(
            "Queues the job {} again, with the same idempotency key.",
            job.kind
        ),
    })
}

fn reached(written: &Written) -> ReachedView {
    ReachedView {
        from: (written.from_status != "none").then(|| written.from_status.clone()),
        kind: written.kind.clone(),
        cause: written.cause.clone(),
        version: written.version,
        at: written.created_at,
    }
}

/// The edges that lead out of a status in the ordinary course.
fn edges(machine: Machine, status: &str) -> Vec<EdgeView> {
    rules(machine)
        .into_iter()
        .filter(|rule| !rule.from_every && rule.from.contains(&status))
        .map(|rule| EdgeView {
            id: rule.id.into(),
            kind: rule.kind.into(),
            to: match rule.to {
                Some(to) => to.into_iter().map(Into::into).collect(),
                None => vec![status.to_owned().into()],
            },
            driver: rule.driver.as_str().into(),
            driven_by: rule.driven_by.into(),
        })
        .collect()
}

/// Stripe's error as part of a sentence: its code, and its own words.
fn words_of(error: &StripeError) -> String {
    let code = error.decline_code.as_ref().or(error.code.as_ref());
    match (code, &error.message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.clone(),
        (None, Some(message)) => message.clone(),
        (None, None) => "without a reason".to_owned(),
    }
}

fn time_of(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_default()
}
