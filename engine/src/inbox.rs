//! Stripe's webhooks are stored before they are acknowledged, and applied afterwards, each with a disposition on record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::postgres::is_transient;
use infra::trace::{KeyValue, PendingSpan, SpanKind};
use infra::{postgres, trace};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;
use workflows::stream;
use workflows::stream::{Event, Needs, Refusal};

use crate::commit::{After, Applied, Cause, Fold, NotApplied};
use crate::record::Record;
use crate::store::inbox::{Disposition, Processed, Waiting};
use crate::store::{inbox, payment};
use crate::webhook::{Meaning, Source, Stranger, Target};
use crate::{commit, store, webhook};

static EVENTS: Counters<1> = Counters::new(
    "pawl_inbox_total",
    "Stripe's events by disposition; a waiting event is counted at each try.",
    ["status"],
);

/// For how long an event may wait for its payment to appear.
const DEFERRED_SECONDS: f64 = 24.0 * 60.0 * 60.0;

/// How often an event that fails to be applied is tried.
const TRIES: i32 = 20;

/// The pause before an event is processed again whose payment another transaction has locked.
const LOCKED_FOR: Duration = Duration::from_millis(200);

/// Applies the webhooks that wait in the inbox.
pub(crate) struct Applier {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
    pub(crate) source: Source,
}

/// A webhook that is about a payment.
struct Report {
    waiting: Waiting,
    payment: Uuid,
    target: Target,
    event: Event,
    /// Why it is not understood, if it is not: it then only requests a resync.
    not_understood: Option<String>,
    /// The sum that Stripe has refunded, finished or not, if the webhook reports only that this sum changed.
    refunded: Option<i64>,
}

/// A webhook after it was read.
enum Read {
    /// It remains to be applied.
    Open(Box<Report>),
    /// There is nothing to apply.
    Processed(Processed),
}

impl Applier {
    /// Applies the events that are due, in one transaction, and returns how many there were. If the transaction fails,
    /// each event is applied in its own, so that one bad event stops only itself.
    pub(crate) async fn apply_due(&self) -> sqlx::Result<usize> {
        // Most calls find nothing: one statement instead of three.
        if !postgres::within(inbox::is_due(&self.pool)).await? {
            return Ok(0);
        }
        let taken = postgres::within(async {
            let mut transaction = self.pool.begin().await?;
            let waiting = inbox::take(&mut transaction).await?;
            Ok((transaction, waiting))
        });
        let (transaction, waiting) = taken.await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let count = waiting.len();
        let ids: Vec<String> = waiting.iter().map(|event| event.id.clone()).collect();
        let Err(error) = self.apply(transaction, waiting).await else {
            return Ok(count);
        };
        if is_transient(&error) {
            return Err(error);
        }
        tracing::warn!(%error, events = count, "failed to apply webhooks together; applying each alone");
        for id in ids {
            self.apply_alone(&id).await?;
        }
        Ok(count)
    }

    async fn apply_alone(&self, id: &str) -> sqlx::Result<()> {
        let taken = postgres::within(async {
            let mut transaction = self.pool.begin().await?;
            let waiting = inbox::take_one(&mut transaction, id).await?;
            Ok((transaction, waiting))
        });
        let (transaction, Some(waiting)) = taken.await? else {
            return Ok(());
        };
        let tries = waiting.tries;
        let Err(error) = self.apply(transaction, vec![waiting]).await else {
            return Ok(());
        };
        if is_transient(&error) {
            return Err(error);
        }
        let disposition = if tries < TRIES {
            tracing::error!(event = id, %error, "failed to apply a webhook; it will be retried");
            Disposition::Retrying(error.to_string())
        } else {
            tracing::error!(event = id, %error, "failed to apply a webhook for the last time; it is dead and needs an operator");
            Disposition::Dead(error.to_string())
        };
        let processed = [Processed {
            id: id.to_owned(),
            disposition,
            payment: None,
        }];
        let marked = async { inbox::mark(&mut *self.pool.acquire().await?, &processed).await };
        postgres::within(marked).await?;
        observe(&processed, None);
        Ok(())
    }

    async fn apply(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        waiting: Vec<Waiting>,
    ) -> sqlx::Result<()> {
        let since = trace::begin();
        let written = postgres::within(self.write(&mut transaction, waiting));
        let (fold, processed, due) = written.await?;
        infra::crash::point("inbox.applying");
        commit::commit(&self.pool, transaction, fold.transitions().first()).await?;
        infra::crash::point("inbox.applied");
        observe(&processed, since.as_ref());
        self.after.committed(due, fold);
        Ok(())
    }

    /// Applies the events, and writes what follows.
    async fn write(
        &self,
        connection: &mut PgConnection,
        waiting: Vec<Waiting>,
    ) -> sqlx::Result<(Fold, Vec<Processed>, Vec<Uuid>)> {
        let read = self.read(connection, waiting).await?;
        let read = ignore_known(connection, read).await?;
        let events = read.iter().filter_map(|read| match read {
            Read::Open(report) => Some((report.payment, Some(&report.event))),
            Read::Processed(_) => None,
        });
        let (mut fold, busy) = commit::lock(connection, events).await?;
        let (mut processed, mut locked) = (Vec::with_capacity(read.len()), Vec::new());
        for read in read {
            match read {
                Read::Open(report) if busy.contains(&report.payment) => {
                    locked.push(report.waiting.id);
                }
                Read::Open(report) => processed.push(apply(&mut fold, *report)),
                Read::Processed(event) => processed.push(event),
            }
        }
        let due = commit::write(connection, &fold, Duration::ZERO).await?;
        inbox::mark(connection, &processed).await?;
        if !locked.is_empty() {
            inbox::put_off(connection, &locked, LOCKED_FOR).await?;
        }
        Ok((fold, processed, due))
    }

    /// Parses the events and finds their payments.
    async fn read(
        &self,
        connection: &mut PgConnection,
        waiting: Vec<Waiting>,
    ) -> sqlx::Result<Vec<Read>> {
        let parsed: Vec<(Waiting, Result<Meaning, Disposition>)> = waiting
            .into_iter()
            .map(|event| {
                let meaning = self.parse(&event.payload);
                (event, meaning)
            })
            .collect();
        let intents: Vec<String> = parsed
            .iter()
            .filter_map(|(_, meaning)| target(meaning.as_ref().ok()?)?.intent_id.clone())
            .collect();
        let by_intent = if intents.is_empty() {
            HashMap::new()
        } else {
            payment::find_by_intents(connection, &intents).await?
        };
        Ok(parsed
            .into_iter()
            .map(|(waiting, meaning)| with_payment(waiting, meaning, &by_intent))
            .collect())
    }

    /// The meaning of an event, or why it has none here.
    fn parse(&self, payload: &[u8]) -> Result<Meaning, Disposition> {
        let incoming = webhook::parse(payload)
            .map_err(|error| Disposition::NotUnderstood(error.to_string()))?;
        match self.source.stranger(&incoming) {
            Some(Stranger::Mode(reason)) => return Err(Disposition::OtherMode(reason)),
            Some(Stranger::Account(reason)) => return Err(Disposition::Foreign(reason)),
            None => {}
        }
        Ok(webhook::meaning(&incoming, Uuid::now_v7()))
    }
}

/// Counts the dispositions of events, and adds each to the trace of its payment.
fn observe(processed: &[Processed], since: Option<&PendingSpan>) {
    for event in processed {
        let status = event.disposition.status();
        EVENTS.with_labels([status]).increment(1);
        if let (Some(since), Some(payment)) = (since, event.payment) {
            let attributes = vec![
                KeyValue::new("stripe.event", event.id.clone()),
                KeyValue::new("status", status),
            ];
            since.record(
                payment,
                "webhook".to_owned(),
                SpanKind::Consumer,
                attributes,
            );
        }
    }
}

fn target(meaning: &Meaning) -> Option<&Target> {
    match meaning {
        Meaning::Report { target, .. }
        | Meaning::Hint { target, .. }
        | Meaning::Unknown { target } => Some(target),
        Meaning::Unrelated => None,
    }
}

fn with_payment(
    waiting: Waiting,
    meaning: Result<Meaning, Disposition>,
    by_intent: &HashMap<String, Uuid>,
) -> Read {
    let unknown = || "its type or its object's status is not known to this version".to_owned();
    let (target, event, refunded, not_understood) = match meaning {
        Err(disposition) => return processed(waiting, None, disposition),
        Ok(Meaning::Unrelated) => return processed(waiting, None, Disposition::Ignored),
        Ok(Meaning::Unknown { target }) if target.is_empty() => {
            return processed(waiting, None, Disposition::NotUnderstood(unknown()));
        }
        Ok(Meaning::Unknown { target }) => (target, Event::Hinted, None, Some(unknown())),
        Ok(Meaning::Report { target, event }) => (target, *event, None, None),
        Ok(Meaning::Hint { target, refunded }) => (target, Event::Hinted, refunded, None),
    };
    let known = |id: &String| by_intent.get(id).copied();
    let payment = target.intent_id.as_ref().and_then(known);
    let Some(payment) = payment.or(target.payment_id) else {
        let reason = "it names no intent of Pawl's and bears no mark of Pawl's";
        return processed(waiting, None, Disposition::Foreign(reason.to_owned()));
    };
    Read::Open(Box::new(Report {
        waiting,
        payment,
        target,
        event,
        not_understood,
        refunded,
    }))
}

fn processed(waiting: Waiting, payment: Option<Uuid>, disposition: Disposition) -> Read {
    Read::Processed(Processed {
        id: waiting.id,
        disposition,
        payment,
    })
}

/// The payment may still appear: Stripe's answer may not be written yet, or a backup is being restored.
fn no_payment(waiting: &Waiting) -> Disposition {
    let reason = "no local object".to_owned();
    if waiting.age_seconds < DEFERRED_SECONDS {
        Disposition::Deferred(reason)
    } else {
        Disposition::Dead(reason)
    }
}

/// Most events report what an answer of Stripe's has reported before. They are ignored without a lock: whatever is being
/// written at the same time, the event is old news at the moment of this read.
async fn ignore_known(connection: &mut PgConnection, read: Vec<Read>) -> sqlx::Result<Vec<Read>> {
    let payments: BTreeSet<Uuid> = read
        .iter()
        .filter_map(|read| match read {
            Read::Open(report) => Some(report.payment),
            Read::Processed(_) => None,
        })
        .collect();
    if payments.is_empty() {
        return Ok(read);
    }
    let needs: BTreeMap<Uuid, Needs> = payments
        .into_iter()
        .map(|payment| (payment, Needs::default()))
        .collect();
    let records = store::stream::read(connection, &needs).await?;
    Ok(read
        .into_iter()
        .map(|read| match read {
            Read::Open(report) => ignore_if_known(report, &records),
            processed @ Read::Processed(_) => processed,
        })
        .collect())
}

fn ignore_if_known(report: Box<Report>, records: &HashMap<Uuid, Record>) -> Read {
    let payment = Some(report.payment);
    match records.get(&report.payment) {
        None => {
            let disposition = no_payment(&report.waiting);
            processed(report.waiting, payment, disposition)
        }
        Some(record) if !report.target.identity().is_of(&record.stream) => {
            processed(report.waiting, None, foreign())
        }
        Some(record) if report.is_known(record) => {
            processed(report.waiting, payment, Disposition::Ignored)
        }
        Some(_) => Read::Open(report),
    }
}

impl Report {
    /// Whether the payment, of which only the newest attempt was read, reflects all that the webhook reports.
    fn is_known(&self, record: &Record) -> bool {
        if self.event.needs() != Needs::default() || self.not_understood.is_some() {
            return false;
        }
        let payment = &record.stream.payment;
        // Each refund that Stripe counts is one of ours, finished or open.
        if self.refunded == Some(payment.refunded + payment.reserved) {
            return true;
        }
        stream::step(&record.stream, &self.event).is_ok_and(|step| step.is_empty())
    }
}

/// Our mark is on an object of another intent than the payment's: somebody has copied or edited it.
fn foreign() -> Disposition {
    let reason = "it bears the mark of a payment that has another intent at Stripe";
    Disposition::Foreign(reason.to_owned())
}

fn apply(fold: &mut Fold, report: Report) -> Processed {
    let Report {
        waiting,
        payment,
        event,
        not_understood,
        ..
    } = report;
    let cause = Cause::stripe_event(&waiting.id);
    let disposition = match fold.apply(payment, &event, &cause) {
        Ok(_) if not_understood.is_some() => {
            Disposition::NotUnderstood(not_understood.unwrap_or_default())
        }
        Err(NotApplied::Refused(Refusal::NotOurs)) => foreign(),
        Ok(Applied::Changed) => Disposition::Applied,
        Ok(Applied::Nothing) => Disposition::Ignored,
        Err(NotApplied::NoPayment) => no_payment(&waiting),
        Err(NotApplied::Refused(refusal)) => {
            tracing::error!(event = waiting.id, payment = %PaymentId::from(payment), %refusal, "failed to apply a webhook: it was refused; it is dead and needs an operator");
            Disposition::Dead(refusal.to_string())
        }
    };
    Processed {
        id: waiting.id,
        disposition,
        payment: Some(payment),
    }
}
