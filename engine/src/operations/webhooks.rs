//! Stripe's webhooks as operators see them, and their replay.

use contracts::id::PaymentId;
use contracts::operations::{ReceivedWebhookDetail, ReceivedWebhookView, ReplayView};
use infra::postgres;
use sqlx::PgConnection;
use uuid::Uuid;
use workflows::stream;

use super::Scope;
use crate::store::{inbox, payment, stream as streams};
use crate::webhook::Meaning;
use crate::{Engine, Error, webhook};

/// The statuses of an event that is not dealt with.
const OPEN: [&str; 4] = ["received", "retrying", "deferred", "dead"];
/// The dispositions of an event that is.
const DONE: [&str; 5] = [
    "applied",
    "ignored",
    "foreign",
    "other_mode",
    "not_understood",
];

/// Which webhooks are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookStatus {
    /// Those that wait, in one status or in any.
    Waiting(Option<&'static str>),
    /// Those that are dead.
    Dead,
    /// Those that are dealt with, with one disposition or any.
    Done(Option<&'static str>),
}

impl WebhookStatus {
    /// Reads the name of a status, of a disposition, or of one of the groups `waiting` and `done`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        match name {
            "waiting" => Some(Self::Waiting(None)),
            "done" => Some(Self::Done(None)),
            "dead" => Some(Self::Dead),
            _ => known(&OPEN)
                .map(|status| Self::Waiting(Some(status)))
                .or_else(|| known(&DONE).map(|disposition| Self::Done(Some(disposition)))),
        }
    }
}

impl Engine {
    /// Webhooks of Stripe, behind the event `after`, and whether there are more: those that wait in the order in which they are
    /// due, dead ones by their ids, and those that are dealt with the latest first. They belong to no account.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a cursor that is no event, [`Error::Unavailable`].
    pub async fn received_webhooks(
        &self,
        status: WebhookStatus,
        after: Option<&str>,
        limit: u16,
    ) -> Result<(Vec<ReceivedWebhookView>, bool), Error> {
        let rows = i64::from(limit) + 1;
        let listed = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let listed = match status {
                WebhookStatus::Waiting(status) => {
                    inbox::waiting_events(&mut connection, status, after, rows).await?
                }
                WebhookStatus::Dead => inbox::dead_events(&mut connection, after, rows).await?,
                WebhookStatus::Done(disposition) => {
                    let below = match after {
                        None => None,
                        Some(id) => match inbox::find(&mut connection, id).await? {
                            Some((found, _)) => found.done_at.map(|at| (at, id)),
                            None => return Ok(None),
                        },
                    };
                    inbox::done_events(&mut connection, disposition, below, rows).await?
                }
            };
            Ok(Some(listed))
        });
        let mut listed = listed.await?.ok_or(Error::NotFound)?;
        let more = listed.len() > usize::from(limit);
        listed.truncate(usize::from(limit));
        Ok((listed.into_iter().map(view).collect(), more))
    }

    /// A webhook with its body, and what a replay would do. Members of an account see those of their payments.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn received_webhook(
        &self,
        scope: Scope,
        id: &str,
    ) -> Result<ReceivedWebhookDetail, Error> {
        let read = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let Some((listed, body)) = inbox::find(&mut connection, id).await? else {
                return Ok(None);
            };
            if !holds(&mut connection, scope, listed.payment_id).await? {
                return Ok(None);
            }
            let replay = preview(&mut connection, &listed, &body).await?;
            Ok(Some((listed, body, replay)))
        });
        let (listed, body, replay) = read.await?.ok_or(Error::NotFound)?;
        Ok(ReceivedWebhookDetail {
            webhook: view(listed),
            body: String::from_utf8_lossy(&body).into_owned(),
            replay,
        })
    }

    /// Applies a webhook again, within a second: one that is dead or waits is due at once, and one that is dealt with waits
    /// again. An event whose effect the payment already reflects is ignored, so that a second replay changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn replay_webhook(
        &self,
        scope: Scope,
        id: &str,
    ) -> Result<ReceivedWebhookView, Error> {
        let replayed = postgres::within(async {
            let mut transaction = self.inner.pool.begin().await?;
            let Some((listed, _)) = inbox::find(&mut transaction, id).await? else {
                return Ok(None);
            };
            if !holds(&mut transaction, scope, listed.payment_id).await? {
                return Ok(None);
            }
            inbox::open_again(&mut transaction, id, listed.done_at).await?;
            let found = inbox::find(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(found)
        });
        let (listed, _) = replayed.await?.ok_or(Error::NotFound)?;
        Ok(view(listed))
    }
}

/// Whether the scope holds the payment of a webhook; one without a payment is for staff alone.
async fn holds(
    connection: &mut PgConnection,
    scope: Scope,
    payment: Option<Uuid>,
) -> sqlx::Result<bool> {
    match (scope, payment) {
        (Scope::All, _) => Ok(true),
        (Scope::Account(_), None) => Ok(false),
        (Scope::Account(_), Some(payment)) => {
            let records = payment::read(connection, &[payment]).await?;
            Ok(records
                .first()
                .is_some_and(|record| scope.holds(record.account)))
        }
    }
}

/// What the event would do to its payment as it is now. It is not known whether its mode and its account are ours: only the
/// worker knows Stripe's key.
async fn preview(
    connection: &mut PgConnection,
    listed: &inbox::Listed,
    body: &[u8],
) -> sqlx::Result<ReplayView> {
    let nothing = |explanation: &str| ReplayView {
        explanation: explanation.to_owned(),
        transitions: Vec::new(),
    };
    let incoming = match webhook::parse(body) {
        Ok(incoming) => incoming,
        Err(error) => return Ok(nothing(&format!("It is not understood: {error}."))),
    };
    let (target, event) = match webhook::meaning(&incoming, Uuid::now_v7()) {
        Meaning::Report { target, event } => (target, *event),
        Meaning::Hint { .. } => {
            return Ok(nothing(
                "It requests a resync of its payment, unless the payment knows it all.",
            ));
        }
        Meaning::Unrelated => return Ok(nothing("It is about nothing that moves a payment.")),
        Meaning::Unknown { .. } => {
            return Ok(nothing(
                "This version does not understand it; a payment that it names is resynced.",
            ));
        }
    };
    let intents: Vec<String> = target.intent_id.iter().cloned().collect();
    let by_intent = payment::find_by_intents(connection, &intents).await?;
    let known = intents.first().and_then(|id| by_intent.get(id).copied());
    let Some(payment) = known.or(target.payment_id).or(listed.payment_id) else {
        return Ok(nothing("It names no payment of Pawl's."));
    };
    let needs = [(payment, event.needs())].into();
    let records = streams::read(connection, &needs).await?;
    let Some(record) = records.get(&payment) else {
        return Ok(nothing("Its payment does not exist."));
    };
    Ok(match stream::step(&record.stream, &event) {
        Err(refusal) => nothing(&format!("The payment refuses it: {refusal}.")),
        Ok(step) if step.is_empty() => {
            nothing("The payment already reflects it: it would be ignored.")
        }
        Ok(step) => ReplayView {
            explanation: format!("It would change {}.", PaymentId::from_uuid(payment)),
            transitions: step
                .transitions
                .iter()
                .map(|it| format!("{} {} → {} ({})", it.machine, it.from, it.to, it.kind))
                .collect(),
        },
    })
}

/// A webhook as lists show it.
pub(super) fn view(row: inbox::Listed) -> ReceivedWebhookView {
    ReceivedWebhookView {
        id: row.id,
        object: "received_webhook".into(),
        r#type: row.r#type,
        status: row.status,
        payment_id: row.payment_id.map(PaymentId::from_uuid),
        tries: row.tries,
        error: row.error,
        received_at: row.received_at,
        done_at: row.done_at,
    }
}
