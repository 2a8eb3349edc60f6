//! The joint timeline of a payment: transitions, Kafka messages, tries of jobs, calls to Stripe, webhooks and deliveries in
//! one order.

use std::time::Duration;

use contracts::id::{DeliveryId, EventId, JobId, PaymentId, WebhookEndpointId};
use contracts::operations::{TimelineEntry, TimelineItem};
use contracts::webhook::DeliveryTryView;
use infra::postgres;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Scope, render, webhooks};
use crate::query::event_view;
use crate::store::{delivery, inbox, job, outbox, payment, transition};
use crate::{Engine, Error};

/// The most transitions, and the most webhooks, that one timeline shows: the newest ones.
const MOST: i64 = 500;

impl Engine {
    /// All that happened to a payment, the oldest first: its newest 500 transitions, up to 200 jobs with the tries that they
    /// keep, the newest 500 webhooks, and the tries of up to 500 deliveries.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn timeline(&self, scope: Scope, payment: Uuid) -> Result<Vec<TimelineEntry>, Error> {
        let read = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let record = payment::read(&mut connection, &[payment]).await?.pop();
            let Some(record) = record.filter(|record| scope.holds(record.account)) else {
                return Ok(None);
            };
            let mut entries = transitions(&mut connection, payment).await?;
            entries.extend(tries(&mut connection, payment).await?);
            let received = inbox::of_payment(&mut connection, payment, MOST).await?;
            entries.extend(received.into_iter().map(webhook_entry));
            let sent = delivery::tries_of_payment(&mut connection, record.account, payment, MOST);
            entries.extend(sent.await?.into_iter().map(delivery_entry));
            Ok(Some(entries))
        });
        let mut entries = read.await?.ok_or(Error::NotFound)?;
        entries.sort_by_key(|entry| (entry.at, rank(&entry.entry), version(&entry.entry)));
        Ok(entries)
    }
}

/// The order of what bears the same time: a cause before its effect.
fn rank(item: &TimelineItem) -> u8 {
    match item {
        TimelineItem::Webhook { .. } => 0,
        TimelineItem::StripeCall { .. } => 1,
        TimelineItem::JobTry { .. } => 2,
        TimelineItem::Transition { .. } => 3,
        TimelineItem::KafkaMessage { .. } => 4,
        TimelineItem::OpenJob { .. } => 5,
        TimelineItem::DeliveryTry { .. } => 6,
    }
}

/// The version of a transition and of its message, which orders those of one step.
fn version(item: &TimelineItem) -> i64 {
    match item {
        TimelineItem::Transition { transition } => transition.id.version,
        TimelineItem::KafkaMessage { event_id, .. } => event_id.version,
        _ => 0,
    }
}

async fn transitions(
    connection: &mut PgConnection,
    payment: Uuid,
) -> sqlx::Result<Vec<TimelineEntry>> {
    let shard = outbox::shard_of(payment);
    let unpublished = outbox::oldest_time(connection, shard).await?;
    let written = transition::list(connection, payment, 0, i64::MAX, MOST, true).await?;
    Ok(written
        .into_iter()
        .flat_map(|row| {
            let at = row.created_at;
            let transition = event_view(payment, row);
            let message = TimelineItem::KafkaMessage {
                event_id: transition.id,
                shard,
                acknowledged: unpublished.is_none_or(|oldest| at < oldest),
            };
            [TimelineItem::Transition { transition }, message]
                .map(|entry| TimelineEntry { at, entry })
        })
        .collect())
}

async fn tries(connection: &mut PgConnection, payment: Uuid) -> sqlx::Result<Vec<TimelineEntry>> {
    let ids = job::of_payment(connection, payment).await?;
    let rows = job::rows(connection, &ids).await?;
    let mut entries = Vec::new();
    for kept in job::tries(connection, &ids).await? {
        let Some(row) = rows.iter().find(|row| row.id == kept.job) else {
            continue;
        };
        let view = render::try_view(&kept);
        let began = kept.started_at.unwrap_or(kept.ended_at);
        let sent = kept.calls.iter().flat_map(|calls| &calls.0);
        for (call, request) in sent.zip(&view.calls) {
            entries.push(TimelineEntry {
                at: began + Duration::from_millis(call.after_ms),
                entry: TimelineItem::StripeCall {
                    job_id: JobId::from_uuid(row.id),
                    request: request.clone(),
                },
            });
        }
        entries.push(TimelineEntry {
            at: kept.ended_at,
            entry: TimelineItem::JobTry {
                job_id: JobId::from_uuid(row.id),
                kind: row.kind.clone(),
                state: row.visible_state().to_owned(),
                r#try: view,
            },
        });
    }
    let open = rows.iter().filter(|row| row.state != "done");
    entries.extend(open.map(|row| TimelineEntry {
        at: row.started_at.unwrap_or(row.created_at),
        entry: TimelineItem::OpenJob {
            job: render::view(row),
        },
    }));
    Ok(entries)
}

fn webhook_entry(row: inbox::Listed) -> TimelineEntry {
    TimelineEntry {
        at: row.received_at,
        entry: TimelineItem::Webhook {
            webhook: webhooks::view(row),
        },
    }
}

fn delivery_entry(row: delivery::TryOfPayment) -> TimelineEntry {
    TimelineEntry {
        at: row.started_at,
        entry: TimelineItem::DeliveryTry {
            delivery_id: DeliveryId::from_uuid(row.delivery_id),
            endpoint_id: WebhookEndpointId::from_uuid(row.endpoint_id),
            event_id: EventId::new(PaymentId::from_uuid(row.payment_id), row.version),
            status: row.status,
            r#try: DeliveryTryView {
                number: row.number,
                started_at: row.started_at,
                duration_ms: row.duration_ms,
                code: row.code,
                error: row.error,
                response_body: row.response_body,
            },
        },
    }
}
