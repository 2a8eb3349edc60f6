//! Rows of the outbox, as the engine writes them.

use std::collections::BTreeMap;

use contracts::event::{CloudEvent, EventData, SCHEMA_VERSION};
use contracts::id::{EventId, PaymentId};
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// Writes events of payments that are asked to cancel again and again until each has this many, all told in turn: the first
/// of each, then the second of each.
pub(super) async fn write(pool: &PgPool, payments: &[Uuid], versions: i64, cause: &str) {
    let turns = (1..=versions).flat_map(|version| payments.iter().map(move |id| (*id, version)));
    let events: Vec<(Uuid, String)> = turns
        .map(|(id, version)| (id, event(id, version, format!("{cause}{version}"))))
        .collect();
    for row in events.chunks(100) {
        write_row(pool, row).await;
    }
}

/// Adds these events to the outbox, as one row of each shard.
pub(super) async fn write_row(pool: &PgPool, events: &[(Uuid, String)]) {
    let mut shards: BTreeMap<i16, Vec<&str>> = BTreeMap::new();
    for (id, event) in events {
        let shard = i16::from(id.as_bytes()[15]) % 4;
        shards.entry(shard).or_default().push(event);
    }
    for (shard, events) in shards {
        sqlx::query(
            "insert into outbox (shard, count, messages, created_at) values ($1, $2, $3, now())",
        )
        .bind(shard)
        .bind(i32::try_from(events.len()).unwrap())
        .bind(events.join("\n"))
        .execute(pool)
        .await
        .unwrap();
    }
}

/// The event of a transition, as the engine writes it into the outbox.
pub(super) fn event(payment: Uuid, version: i64, cause: String) -> String {
    let (kind, event_type) = if version == 1 {
        ("accepted", "payment.created")
    } else {
        ("cancel_requested", "payment.cancel_requested")
    };
    let data = EventData {
        schema_version: SCHEMA_VERSION,
        payment_id: payment.into(),
        account_id: payment.into(),
        machine: "payment".into(),
        subject: PaymentId::from(payment).to_string(),
        kind: kind.into(),
        from: (version > 1).then(|| "local_created".into()),
        to: "local_created".into(),
        version,
        cause,
        reference: None,
        metadata: BTreeMap::new(),
        refund_amount: None,
        error: None,
        capture_amount: None,
        cancellation_reason: None,
        dispute: None,
        amount: 1200,
        currency: "eur".into(),
        amount_capturable: 0,
        amount_captured: 7,
        amount_refunded: 0,
        amount_reserved: 0,
    };
    let id = EventId::new(payment.into(), version);
    serde_json::to_string(&CloudEvent::new(
        id,
        event_type,
        OffsetDateTime::now_utc(),
        data,
    ))
    .unwrap()
}
