//! Stripe's webhooks: durable before they are acknowledged, applied afterwards, each with a fate on record.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::trace;
use infra::trace::{KeyValue, PendingSpan, SpanKind};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stream;
use workflows::stream::{Event, Stream};

use crate::committer::fold::{Applied, Fold, NotApplied};
use crate::committer::{After, Work, commit, count};
use crate::record::Record;
use crate::store::inbox::{Fate, New, Waiting};
use crate::store::{inbox, payment, transition};
use crate::webhook::signature::SignatureError;
use crate::webhook::{Meaning, ParseError, Source, Target};
use crate::{Engine, Error, webhook};

static EVENTS: Counters<1> = Counters::new(
    "pawl_inbox_total",
    "Stripe's events by what became of them; one that waits is counted each time it is looked at.",
    ["status"],
);

/// The most events that one transaction takes.
const GROUP: i64 = 256;

/// How long an event waits for the answer that it may have overtaken.
const OVERTAKEN: Duration = Duration::from_millis(100);

/// How long an event waits for its payment to appear.
const DEFERRED_SECONDS: f64 = 24.0 * 60.0 * 60.0;

/// How often an event that cannot be applied is tried.
const TRIES: i32 = 20;

/// A webhook that is durable. Answer 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Stripe's id of the event.
    pub id: String,
}

/// A webhook that left no row.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It is not Stripe's, or too old. Answer 400.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is Stripe's, but no event. Answer 400.
    #[error(transparent)]
    Body(#[from] ParseError),
    /// It could not be stored. Answer 5xx: Stripe will deliver it again.
    #[error(transparent)]
    Engine(#[from] Error),
}

impl Engine {
    /// Keeps a webhook of Stripe's. When this returns it is durable; a second delivery of the same event changes nothing.
    ///
    /// # Errors
    /// [`WebhookError`]; no row was written then.
    pub async fn receive(&self, raw: &Bytes, signature: &str) -> Result<Received, WebhookError> {
        self.inner
            .verifier
            .verify(raw, signature, OffsetDateTime::now_utc().unix_timestamp())?;
        let incoming = webhook::parse(raw)?;
        let id = incoming.id.clone();
        self.inner
            .inbox
            .submit(New {
                id: incoming.id,
                r#type: incoming.r#type,
                payload: raw.to_vec(),
            })
            .await?;
        infra::crash::point("inbox.kept");
        Ok(Received { id })
    }
}

/// Writes webhooks in groups.
pub(crate) struct Keeper {
    pub(crate) pool: PgPool,
}

impl Work for Keeper {
    const LANE: &'static str = "inbox";
    type Member = New;
    type Outcome = ();

    async fn commit(&self, members: &[New]) -> sqlx::Result<Vec<()>> {
        inbox::add(&self.pool, members, OffsetDateTime::now_utc(), OVERTAKEN).await?;
        Ok(vec![(); members.len()])
    }
}

/// Applies waiting events.
pub(crate) struct Applier {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
    pub(crate) source: Source,
}

/// An event that was read: what is to be applied to which payment.
struct Read {
    waiting: Waiting,
    payment: Option<Uuid>,
    event: Option<Event>,
    /// What Stripe has given back of the payment, if all that the event says is that this sum changed.
    refunded: Option<i64>,
    fate: Option<Fate>,
}

impl Applier {
    /// Applies a group of events that are due and returns how many there were. When the group cannot be written, each
    /// of its events is applied alone, so that one bad event stops only itself.
    pub(crate) async fn apply_due(&self) -> sqlx::Result<usize> {
        // Most looks find nothing: one statement instead of three.
        if !inbox::is_due(&self.pool).await? {
            return Ok(0);
        }
        let mut transaction = self.pool.begin().await?;
        let waiting = inbox::take(&mut transaction, GROUP).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let count = waiting.len();
        let ids: Vec<String> = waiting.iter().map(|event| event.id.clone()).collect();
        let Err(error) = self.apply(transaction, waiting).await else {
            return Ok(count);
        };
        if crate::error::is_transient(&error) {
            return Err(error);
        }
        tracing::warn!(%error, events = count, "a group of webhooks was not applied; each is tried alone");
        for id in ids {
            self.apply_alone(&id).await?;
        }
        Ok(count)
    }

    async fn apply_alone(&self, id: &str) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        let Some(waiting) = inbox::take_one(&mut transaction, id).await? else {
            return Ok(());
        };
        let tries = waiting.tries;
        let Err(error) = self.apply(transaction, vec![waiting]).await else {
            return Ok(());
        };
        if crate::error::is_transient(&error) {
            return Err(error);
        }
        tracing::error!(event = id, %error, "a webhook cannot be applied");
        let fate = if tries < TRIES {
            Fate::Retrying(error.to_string())
        } else {
            Fate::Dead(error.to_string())
        };
        let marks = [(id.to_owned(), fate, None)];
        inbox::mark(&mut *self.pool.acquire().await?, &marks).await?;
        tell(&marks, None);
        Ok(())
    }

    async fn apply(
        &self,
        mut transaction: sqlx::Transaction<'static, sqlx::Postgres>,
        waiting: Vec<Waiting>,
    ) -> sqlx::Result<()> {
        let since = trace::begin();
        let mut read = self.read(&mut transaction, waiting).await?;
        pass_over_known(&mut transaction, &mut read).await?;
        let open = || read.iter().filter(|it| it.fate.is_none());
        let payments: BTreeSet<Uuid> = open().filter_map(|it| it.payment).collect();
        let with_refunds: BTreeSet<Uuid> = open()
            .filter(|it| it.event.as_ref().is_some_and(|event| event.needs().refunds))
            .filter_map(|it| it.payment)
            .collect();
        let mut fold = Fold::lock(&mut transaction, &payments, &with_refunds).await?;
        let marks: Vec<(String, Fate, Option<Uuid>)> = read
            .into_iter()
            .map(|mut it| {
                let fate = it.fate.take().unwrap_or_else(|| apply_one(&mut fold, &it));
                (it.waiting.id, fate, it.payment)
            })
            .collect();
        let due = fold.write(&mut transaction, Duration::ZERO).await?;
        inbox::mark(&mut transaction, &marks).await?;
        infra::crash::point("inbox.applying");
        let witness = fold.witness().cloned();
        commit(transaction, || self.is_there(witness.as_ref())).await?;
        infra::crash::point("inbox.applied");
        count(fold.transitions());
        tell(&marks, since.as_ref());
        self.after.commit(due, fold.into_views());
        Ok(())
    }

    /// Without a transition the events are still waiting, or ignored: to apply them again is harmless.
    async fn is_there(&self, witness: Option<&transition::New>) -> sqlx::Result<bool> {
        match witness {
            Some(witness) => transition::is_there(&mut *self.pool.acquire().await?, witness).await,
            None => Ok(false),
        }
    }

    /// Understands the events and finds their payments.
    async fn read(
        &self,
        connection: &mut PgConnection,
        waiting: Vec<Waiting>,
    ) -> sqlx::Result<Vec<Read>> {
        let meant: Vec<(Waiting, Result<Meaning, Fate>)> = waiting
            .into_iter()
            .map(|event| {
                let meaning = self.meaning(&event.payload);
                (event, meaning)
            })
            .collect();
        let intents: Vec<String> = meant
            .iter()
            .filter_map(|(_, meaning)| meaning.as_ref().ok().and_then(target))
            .filter(|target| target.payment_id.is_none())
            .filter_map(|target| target.intent_id.clone())
            .collect();
        let by_intent: HashMap<String, Uuid> = if intents.is_empty() {
            HashMap::new()
        } else {
            payment::of_intents(connection, &intents)
                .await?
                .into_iter()
                .collect()
        };
        Ok(meant
            .into_iter()
            .map(|(waiting, meaning)| understood(waiting, meaning, &by_intent))
            .collect())
    }

    /// What an event says, or why it is given up.
    fn meaning(&self, payload: &[u8]) -> Result<Meaning, Fate> {
        let incoming = webhook::parse(payload).map_err(|error| Fate::Dead(error.to_string()))?;
        if let Some(why) = self.source.stranger(&incoming) {
            tracing::warn!(
                event = incoming.id,
                r#type = incoming.r#type,
                why,
                "a webhook is not ours"
            );
            return Err(Fate::Dead(why));
        }
        Ok(webhook::meaning(&incoming, Uuid::now_v7()))
    }
}

/// Counts what became of events, and tells it in the traces of their payments.
fn tell(marks: &[(String, Fate, Option<Uuid>)], since: Option<&PendingSpan>) {
    for (id, fate, payment) in marks {
        EVENTS.with_labels([fate.status()]).increment(1);
        if let (Some(since), Some(payment)) = (since, payment) {
            let attributes = vec![
                KeyValue::new("stripe.event", id.clone()),
                KeyValue::new("status", fate.status()),
            ];
            since.record(
                *payment,
                "webhook".to_owned(),
                SpanKind::Consumer,
                attributes,
            );
        }
    }
}

fn target(meaning: &Meaning) -> Option<&Target> {
    match meaning {
        Meaning::Report { target, .. } | Meaning::Hint { target, .. } => Some(target),
        Meaning::Unrelated | Meaning::Unknown => None,
    }
}

fn understood(
    waiting: Waiting,
    meaning: Result<Meaning, Fate>,
    by_intent: &HashMap<String, Uuid>,
) -> Read {
    let nothing = |waiting, fate| Read {
        waiting,
        payment: None,
        event: None,
        refunded: None,
        fate: Some(fate),
    };
    let (target, event, refunded) = match meaning {
        Err(fate) => return nothing(waiting, fate),
        Ok(Meaning::Unrelated | Meaning::Unknown) => return nothing(waiting, Fate::Ignored),
        Ok(Meaning::Report { target, event }) => (target, *event, None),
        Ok(Meaning::Hint { target, refunded }) => (target, Event::Hinted, refunded),
    };
    let payment = target
        .payment_id
        .or_else(|| by_intent.get(target.intent_id.as_deref()?).copied());
    if let Some(payment) = payment {
        Read {
            waiting,
            payment: Some(payment),
            event: Some(event),
            refunded,
            fate: None,
        }
    } else {
        let fate = no_local_object(&waiting);
        nothing(waiting, fate)
    }
}

/// The payment may still appear: an answer of Stripe's that we have not written yet, or a restore under way.
fn no_local_object(waiting: &Waiting) -> Fate {
    let why = "no local object".to_owned();
    if waiting.age_seconds < DEFERRED_SECONDS {
        Fate::Deferred(why)
    } else {
        Fate::Dead(why)
    }
}

/// Most events tell what an answer of Stripe's has told before. They are recognised without a lock: to ignore one is
/// right at the moment of the read, whatever is being written beside it.
async fn pass_over_known(connection: &mut PgConnection, read: &mut [Read]) -> sqlx::Result<()> {
    let ids: BTreeSet<Uuid> = read.iter().filter_map(|it| it.payment).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let records: HashMap<Uuid, Record> = payment::read(connection, &ids)
        .await?
        .into_iter()
        .map(|record| (record.payment.id, record))
        .collect();
    for it in read.iter_mut().filter(|it| it.fate.is_none()) {
        let (Some(payment), Some(event)) = (it.payment, it.event.as_ref()) else {
            continue;
        };
        match records.get(&payment) {
            None => it.fate = Some(no_local_object(&it.waiting)),
            Some(_) if event.needs().refunds => {}
            // Every refund that Stripe counts is one of ours, made or under way.
            Some(Record { payment, .. })
                if it.refunded == Some(payment.refunded + payment.reserved) =>
            {
                it.fate = Some(Fate::Ignored);
            }
            Some(record) => {
                let stream = Stream {
                    payment: record.payment.clone(),
                    attempts: record.attempt.iter().cloned().collect(),
                    refunds: Vec::new(),
                };
                if stream::step(&stream, event).is_ok_and(|step| step.is_empty()) {
                    it.fate = Some(Fate::Ignored);
                }
            }
        }
    }
    Ok(())
}

fn apply_one(fold: &mut Fold, read: &Read) -> Fate {
    let (Some(payment), Some(event)) = (read.payment, read.event.as_ref()) else {
        return Fate::Ignored;
    };
    match fold.apply(payment, event, &read.waiting.id) {
        Ok(Applied::Moved) => Fate::Applied,
        Ok(Applied::Nothing) => Fate::Ignored,
        Err(NotApplied::NoPayment) => no_local_object(&read.waiting),
        Err(NotApplied::Refused(refusal)) => {
            tracing::error!(event = read.waiting.id, payment = %PaymentId::from(payment), %refusal, "a webhook was refused; a person must look");
            Fate::Dead(refusal.to_string())
        }
    }
}
