//! The queries on deliveries: the requests that the worker sends, the lists that merchants see, and the gauges.

use std::collections::HashMap;

use contracts::event::{EventData, SCHEMA_VERSION};
use contracts::example;
use contracts::id::{EventId, subject};
use contracts::request::Metadata;
use contracts::webhook::{Message, MessageData, TEST_EVENT};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stripe::StripeError;

use crate::record::{dispute_data, error_view};

/// How many tries of one delivery are shown.
const SHOWN: i64 = 100;

/// The message of a delivery and its target. Neither can be printed, because the target holds secrets.
#[derive(Clone)]
pub(crate) struct Request {
    /// None when the endpoint is not enabled.
    pub(crate) target: Option<Target>,
    pub(crate) message: Message,
}

/// The address of an endpoint, and the secrets that sign its deliveries.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// The newest first.
    pub(crate) secrets: Vec<Vec<u8>>,
}

/// A delivery as its merchant sees it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) payment_id: Uuid,
    pub(crate) version: i64,
    pub(crate) r#type: String,
    pub(crate) sequence: i64,
    pub(crate) status: String,
    pub(crate) tries: i32,
    pub(crate) last_code: Option<i32>,
    pub(crate) next_try_at: Option<OffsetDateTime>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

/// A try of a delivery, with its number.
#[derive(Debug, Clone)]
pub(crate) struct ListedTry {
    pub(crate) number: i32,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response_body: Option<String>,
}

/// Where a delivery goes and what signs it; none where its endpoint is not enabled.
fn target(url: Option<String>, secrets: Vec<Vec<u8>>) -> Option<Target> {
    url.map(|url| Target { url, secrets })
}

/// The requests of these deliveries, by their ids; every try sends the same bytes.
pub(crate) async fn requests(
    pool: &PgPool,
    deliveries: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Request>> {
    let mut requests = requests_of_transitions(pool, deliveries).await?;
    if requests.len() < deliveries.len() {
        requests.extend(test_requests(pool, deliveries).await?);
    }
    Ok(requests)
}

/// The requests of those that tell of a transition, with its facts.
async fn requests_of_transitions(
    pool: &PgPool,
    deliveries: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Request>> {
    let rows = sqlx::query!(
        r#"select d.id, d.endpoint_id, d.account_id, d.payment_id, d.version, d.type, d.sequence, e.url as "url?",
                  array(select secret from webhook_secret s
                        where s.endpoint_id = d.endpoint_id and (s.ends_at is null or s.ends_at > now())
                        order by number desc) as "secrets!",
                  t.machine as "machine!", t.subject as "subject!", t.from_status as "from_status!", t.kind as "kind!",
                  t.to_status as "to_status!", t.cause as "cause!", t.created_at as "created_at!", p.amount, p.currency,
                  p.reference, p.metadata as "metadata: Json<Metadata>",
                  case t.machine when 'refund' then (t.data->'moved'->>'amount')::int8 end as refund_amount,
                  nullif(t.data->'moved'->'error', 'null') as "error: Json<StripeError>",
                  case t.machine when 'capture' then (t.data->'moved'->>'amount')::int8 end as capture_amount,
                  case t.machine when 'payment' then t.data->'moved'->>'cancellation_reason' end as cancellation_reason,
                  case when t.machine like 'dispute%' then t.data->'moved' end as "dispute: Json<Value>",
                  coalesce((t.data->>'amount_capturable')::int8, p.amount_capturable) as "amount_capturable!",
                  coalesce((t.data->>'amount_captured')::int8, p.amount_captured) as "amount_captured!",
                  coalesce((t.data->>'amount_refunded')::int8, p.amount_refunded) as "amount_refunded!",
                  coalesce((t.data->>'amount_reserved')::int8, p.amount_reserved) as "amount_reserved!"
           from delivery d
           join transition t on t.stream = d.payment_id and t.version = d.version
           join payment p on p.id = d.payment_id
           left join webhook_endpoint e on e.id = d.endpoint_id and e.status = 'enabled'
           where d.id = any($1)"#,
        deliveries,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let request = Request {
            target: target(row.url, row.secrets),
            message: Message {
                r#type: row.r#type,
                timestamp: row.created_at,
                data: MessageData {
                    event_id: EventId::new(row.payment_id.into(), row.version),
                    endpoint_id: row.endpoint_id.into(),
                    sequence: row.sequence,
                    event: EventData {
                        schema_version: SCHEMA_VERSION,
                        payment_id: row.payment_id.into(),
                        account_id: row.account_id.into(),
                        subject: subject(&row.machine, row.subject),
                        machine: row.machine.into(),
                        kind: row.kind.into(),
                        from: (row.from_status != "none").then(|| row.from_status.into()),
                        to: row.to_status.into(),
                        version: row.version,
                        cause: row.cause,
                        reference: row.reference,
                        metadata: row.metadata.0,
                        refund_amount: row.refund_amount,
                        error: row.error.as_ref().map(|error| error_view(error)),
                        capture_amount: row.capture_amount,
                        cancellation_reason: row.cancellation_reason,
                        dispute: row.dispute.as_ref().and_then(|moved| dispute_data(moved)),
                        amount: row.amount,
                        currency: row.currency,
                        amount_capturable: row.amount_capturable,
                        amount_captured: row.amount_captured,
                        amount_refunded: row.amount_refunded,
                        amount_reserved: row.amount_reserved,
                    },
                },
            },
        };
        (row.id, request)
    });
    Ok(read.collect())
}

/// The requests of those that are test events, which tell of no transition.
async fn test_requests(pool: &PgPool, deliveries: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Request>> {
    let rows = sqlx::query!(
        r#"select d.id, d.endpoint_id, d.account_id, d.payment_id, d.created_at, e.url as "url?",
                  array(select secret from webhook_secret s
                        where s.endpoint_id = d.endpoint_id and (s.ends_at is null or s.ends_at > now())
                        order by number desc) as "secrets!"
           from delivery d
           left join webhook_endpoint e on e.id = d.endpoint_id and e.status = 'enabled'
           where d.id = any($1) and d.type = $2"#,
        deliveries,
        TEST_EVENT,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().filter_map(|row| {
        let request = Request {
            target: target(row.url, row.secrets),
            message: Message {
                r#type: TEST_EVENT.to_owned(),
                timestamp: row.created_at,
                data: MessageData {
                    event_id: EventId::new(row.payment_id.into(), 1),
                    endpoint_id: row.endpoint_id.into(),
                    sequence: 1,
                    event: example::test(row.payment_id.into(), row.account_id.into())?,
                },
            },
        };
        Some((row.id, request))
    });
    Ok(read.collect())
}

/// A delivery of the endpoint.
pub(crate) async fn read(
    connection: &mut PgConnection,
    endpoint: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Listed>> {
    sqlx::query_as!(
        Listed,
        "select id, endpoint_id, payment_id, version, type, sequence, status, tries, last_code, next_try_at, created_at, finished_at
         from delivery where id = $2 and endpoint_id = $1",
        endpoint,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// A delivery with its account, by its id alone.
pub(crate) async fn find(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        "select account_id as account, endpoint_id as endpoint, payment_id as payment from delivery where id = $1",
        id,
    )
    .fetch_optional(connection)
    .await
}

/// Whose a delivery is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) account: Uuid,
    pub(crate) endpoint: Uuid,
    pub(crate) payment: Uuid,
}

/// The deliveries that failed for good, of an account or of all, the newest first and below `before`.
pub(crate) async fn failed(
    connection: &mut PgConnection,
    account: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        "select id, endpoint_id, payment_id, version, type, sequence, status, tries, last_code, next_try_at, created_at, finished_at
         from delivery where status = 'failed' and id < $1
           and case when $2::uuid is null or account_id = $2 then true else false end
         order by id desc limit $3",
        before.unwrap_or(Uuid::max()),
        account,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The latest tries of a delivery, the newest first.
pub(crate) async fn tries(
    connection: &mut PgConnection,
    delivery: Uuid,
) -> sqlx::Result<Vec<ListedTry>> {
    sqlx::query_as!(
        ListedTry,
        "select number, started_at, duration_ms, code, error, response_body
         from delivery_try where delivery_id = $1 order by number desc limit $2",
        delivery,
        SHOWN,
    )
    .fetch_all(connection)
    .await
}

/// A try of a delivery of a payment.
#[derive(Debug, Clone)]
pub(crate) struct TryOfPayment {
    pub(crate) delivery_id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) payment_id: Uuid,
    pub(crate) version: i64,
    pub(crate) status: String,
    pub(crate) number: i32,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response_body: Option<String>,
}

/// The tries of the deliveries that report a payment, the newest first. Those to endpoints that were deleted are left out.
pub(crate) async fn tries_of_payment(
    connection: &mut PgConnection,
    account: Uuid,
    payment: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<TryOfPayment>> {
    sqlx::query_as!(
        TryOfPayment,
        "select d.id as delivery_id, d.endpoint_id, d.payment_id, d.version, d.status, t.number, t.started_at, t.duration_ms,
                t.code, t.error, t.response_body
         from webhook_endpoint e
         join delivery d on d.endpoint_id = e.id and d.payment_id = $2
         join delivery_try t on t.delivery_id = d.id
         where e.account_id = $1 and e.status <> 'deleted'
         order by t.started_at desc limit $3",
        account,
        payment,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Deliveries of an endpoint in one of these statuses, below `before`, the newest first; or above `after`, the oldest
/// first.
pub(crate) async fn page(
    connection: &mut PgConnection,
    endpoint: Uuid,
    statuses: &[String],
    before: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    // Each status is read by the index up to the limit: the wanted ones may be spread among millions of another status.
    if let Some(after) = after {
        sqlx::query_as!(
            Listed,
            r#"select id as "id!", endpoint_id as "endpoint_id!", payment_id as "payment_id!", version as "version!", type as "type!",
                      sequence as "sequence!", d.status as "status!", tries as "tries!", last_code, next_try_at,
                      created_at as "created_at!", finished_at
               from unnest($2::text[]) as wanted (status)
               cross join lateral (select * from delivery where endpoint_id = $1 and status = wanted.status and id > $3
                                   order by id limit $4) as d
               order by id limit $4"#,
            endpoint,
            statuses,
            after,
            limit,
        )
        .fetch_all(connection)
        .await
    } else {
        sqlx::query_as!(
            Listed,
            r#"select id as "id!", endpoint_id as "endpoint_id!", payment_id as "payment_id!", version as "version!", type as "type!",
                      sequence as "sequence!", d.status as "status!", tries as "tries!", last_code, next_try_at,
                      created_at as "created_at!", finished_at
               from unnest($2::text[]) as wanted (status)
               cross join lateral (select * from delivery where endpoint_id = $1 and status = wanted.status and id < $3
                                   order by id desc limit $4) as d
               order by id desc limit $4"#,
            endpoint,
            statuses,
            before.unwrap_or(Uuid::max()),
            limit,
        )
        .fetch_all(connection)
        .await
    }
}

/// The deliveries that are not finished.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backlog {
    /// How many wait for a try, now or later, counted up to 100,000.
    pub(crate) waiting: i64,
    /// How long the oldest of them has been due.
    pub(crate) oldest_due_seconds: f64,
}

/// Counts the waiting deliveries by their partial index: finished ones cost nothing.
pub(crate) async fn backlog(pool: &PgPool) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"select count(*) as "waiting!",
                  coalesce(greatest(extract(epoch from now() - min(next_try_at)), 0), 0)::float8 as "oldest_due_seconds!"
           from (select next_try_at from delivery where status = 'pending' and lease is null limit 100000) as waiting"#
    )
    .fetch_one(pool)
    .await
}
